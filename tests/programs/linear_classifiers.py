"""Softmax and SVM losses, by loops and vectorised, as in CS231n's first assignment."""

import numpy as np


def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros_like(W)
    num_train, num_class = X.shape[0], W.shape[1]
    for i in range(num_train):
        scores = X[i].dot(W)
        scores -= np.max(scores)
        p = np.exp(scores) / np.sum(np.exp(scores))
        loss -= np.log(p[y[i]])
        for k in range(num_class):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    loss /= num_train
    dW /= num_train
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW


def softmax_loss_vectorized(W, X, y, reg):
    N = X.shape[0]
    scores = X @ W
    log_norm = np.logaddexp.reduce(scores, axis=1)
    loss = (log_norm - scores[np.arange(N), y]).mean() + reg * (W**2).sum()
    probs = np.exp(scores - log_norm[:, None])
    probs[np.arange(N), y] -= 1
    return loss, X.T @ probs / N + 2 * reg * W


def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape, dtype=W.dtype)
    num_train, num_classes = X.shape[0], W.shape[1]
    loss = 0.0
    for i in range(num_train):
        scores = X[i].dot(W)
        correct_class_score = scores[y[i]]
        for j in range(num_classes):
            if j == y[i]:
                continue
            margin = scores[j] - correct_class_score + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i, :]
                dW[:, y[i]] -= X[i, :]
    loss /= num_train
    dW /= num_train
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW


def svm_loss_vectorized(W, X, y, reg):
    N = X.shape[0]
    scores = np.dot(X, W)
    margins = np.clip(scores - scores[np.arange(N), y].reshape(N, 1) + 1, 0, None)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N + reg * np.sum(W * W)
    binary = (margins > 0).astype(W.dtype)
    binary[np.arange(N), y] = -np.sum(binary, axis=1)
    return loss, np.dot(X.T, binary) / N + 2 * reg * W
