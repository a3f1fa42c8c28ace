"""All parameters in one flat vector, as optimisers want them: unrolled, reshaped, and unrolled again."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def nn_cost(theta, input_size, hidden_size, labels, X, y, lam):
    split = hidden_size * (input_size + 1)
    Theta1 = np.reshape(theta[:split], (hidden_size, input_size + 1))
    Theta2 = np.reshape(theta[split:], (labels, hidden_size + 1))
    m = X.shape[0]
    Y = np.eye(labels)[y]

    a1 = np.concatenate([np.ones((m, 1)), X], axis=1)
    z2 = a1.dot(Theta1.T)
    a2 = np.concatenate([np.ones((m, 1)), sigmoid(z2)], axis=1)
    a3 = sigmoid(a2.dot(Theta2.T))
    J = -np.sum(Y * np.log(a3) + (1 - Y) * np.log(1 - a3)) / m
    J += lam / (2 * m) * (np.sum(np.square(Theta1[:, 1:])) + np.sum(np.square(Theta2[:, 1:])))

    delta3 = a3 - Y
    delta2 = delta3.dot(Theta2)[:, 1:] * sigmoid(z2) * (1 - sigmoid(z2))
    grad1 = delta2.T.dot(a1) / m
    grad2 = delta3.T.dot(a2) / m
    grad1[:, 1:] += lam / m * Theta1[:, 1:]
    grad2[:, 1:] += lam / m * Theta2[:, 1:]
    return J, np.concatenate([grad1.ravel(), grad2.ravel()])
