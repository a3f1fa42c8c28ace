"""A script: parameters and results are globals, the loss is computed by a function of its own."""

from numpy import dot, exp, log, random, zeros, zeros_like

random.seed(0)
W1 = random.randn(3, 4) * 0.5
b1 = zeros((1, 4))
W2 = random.randn(4, 1) * 0.5
b2 = zeros((1, 1))


def sigmoid(z):
    return 1.0 / (1.0 + exp(-z))


def forward(X):
    global hidden, output
    hidden = sigmoid(dot(X, W1) + b1)
    output = sigmoid(dot(hidden, W2) + b2)
    return output


def cost(output, y):
    return float((-(y * log(output) + (1 - y) * log(1 - output))).sum() / len(y))


def backward(X, y):
    global dW1, db1, dW2, db2
    delta2 = (output - y) / len(y)
    dW2 = dot(hidden.T, delta2)
    db2 = zeros_like(b2)
    db2 += delta2.sum()
    delta1 = dot(delta2, W2.T) * hidden * (1 - hidden)
    dW1 = dot(X.T, delta1)
    db1 = delta1.sum(axis=0, keepdims=True)


def step(X, y):
    forward(X)
    loss = cost(output, y)
    backward(X, y)
    return loss
