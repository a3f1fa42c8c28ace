"""word2vec: skip-gram with the full softmax and with negative samples; gradients as tuples."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_softmax(center, outside, vectors):
    scores = vectors @ center
    scores = scores - np.max(scores)
    y_hat = np.exp(scores) / np.sum(np.exp(scores))
    loss = -np.log(y_hat[outside])
    delta = y_hat.copy()
    delta[outside] -= 1
    return loss, vectors.T @ delta, np.outer(delta, center)


def negative_sampling(center, outside, vectors, negatives):
    grad_center = np.zeros(center.shape, dtype=center.dtype)
    grad_vectors = np.zeros(vectors.shape, dtype=vectors.dtype)
    z = sigmoid(np.dot(vectors[outside], center))
    loss = -np.log(z)
    grad_vectors[outside] += center * (z - 1.0)
    grad_center += vectors[outside] * (z - 1.0)
    for k in negatives:
        z = sigmoid(np.dot(vectors[k], center))
        loss -= np.log(1.0 - z)
        grad_vectors[k] += center * z
        grad_center += vectors[k] * z
    return loss, grad_center, grad_vectors


def skipgram(center_vectors, outside_vectors, center, window, negatives):
    loss = 0.0
    grad_center = np.zeros_like(center_vectors)
    grad_outside = np.zeros_like(outside_vectors)
    for word in window:
        cost, gin, gout = negative_sampling(center_vectors[center], word, outside_vectors, negatives)
        loss += cost
        grad_center[center] += gin
        grad_outside += gout
    return loss, grad_center, grad_outside
