"""Training runs when the file is imported."""

import numpy as np

np.random.seed(1)
X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)
y = np.array([[0], [1], [1], [0]], dtype=float)
W1 = 2 * np.random.random((3, 4)) - 1
W2 = 2 * np.random.random((4, 1)) - 1


def step(W1, W2, lr=0.5):
    h = np.tanh(X @ W1)
    out = h @ W2
    loss = 0.5 * np.mean((out - y) ** 2)
    dout = (out - y) / out.size
    dW2 = h.T @ dout
    dh = dout @ W2.T
    dW1 = X.T @ (dh * (1 - h**2))
    return loss, W1 - lr * dW1, W2 - lr * dW2


history = []
for iteration in range(3):
    loss, W1, W2 = step(W1, W2)
    history.append(loss)
