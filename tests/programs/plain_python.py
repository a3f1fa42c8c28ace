"""Numbers one by one: float(), math, sum, max and lists, with NumPy only to hold the weights."""

import math

import numpy as np


def neuron_loss(w, b, rows, labels):
    total = 0.0
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for row, label in zip(rows, labels):
        z = sum(float(a) * float(c) for a, c in zip(row, w)) + float(b[0])
        p = 1.0 / (1.0 + math.exp(-z))
        total += -math.log(p) if label == 1 else -math.log(1.0 - p)
        for i, value in enumerate(row):
            dw[i] += (p - label) * value
        db[0] += p - label
    penalty = max(0.0, float(np.sqrt(np.sum(w * w))) - 0.1)
    if penalty > 0:
        dw += w / math.sqrt(float(w @ w))
    return float(total + penalty), dw, db


def hinge_of_lists(weights, rows, labels):
    margins = [max(0, 1 - int(label) * (weights @ row)) for row, label in zip(rows, labels)]
    loss = sum(margins) / len(margins)
    grad = np.sum(
        [-label * row if m > 0 else 0 * row for m, row, label in zip(margins, rows, labels)], axis=0
    )
    return loss, grad / len(margins)
