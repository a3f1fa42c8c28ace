"""The two slips of the course notes' published gradient, in this project's own code."""

# mypy: disable-error-code="name-defined"

from typing import Any

import numpy as np

__all__ = ["as_published", "with_the_name_mended"]


def as_published(params: Any, X: Any, y: Any, reg: Any) -> Any:
    """Return the loss and the gradient with both slips: an undefined name, and 2·reg·W."""
    W1, W2 = params["W1"], params["W2"]
    h1, dS4, loss = _forward(params, X, y, reg)
    grads = {"W2": h1.T @ dS4 + 2 * reg * W2, "b2": dS4.sum(axis=0)}
    dS3 = dscores @ W2.T
    dS2 = (h1 > 0) * dS3
    grads |= {"W1": X.T @ dS2 + 2 * reg * W1, "b1": dS2.sum(axis=0)}
    return loss, grads


def with_the_name_mended(params: Any, X: Any, y: Any, reg: Any) -> Any:
    """Return the same with dS4 in place of dscores, so that only the penalty's slip is left."""
    W1, W2 = params["W1"], params["W2"]
    h1, dS4, loss = _forward(params, X, y, reg)
    grads = {"W2": h1.T @ dS4 + 2 * reg * W2, "b2": dS4.sum(axis=0)}
    dS3 = dS4 @ W2.T
    dS2 = (h1 > 0) * dS3
    grads |= {"W1": X.T @ dS2 + 2 * reg * W1, "b1": dS2.sum(axis=0)}
    return loss, grads


def _forward(params: Any, X: Any, y: Any, reg: Any) -> Any:
    """Return the hidden layer, the adjoint of the scores, and the loss with its penalty of 2·reg·‖W‖²."""
    h1 = np.maximum(X @ params["W1"] + params["b1"], 0)
    scores = h1 @ params["W2"] + params["b2"]
    shifted = scores - scores.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    rows = np.arange(len(X))
    loss = (np.log(exp.sum(axis=1)) - shifted[rows, y]).mean()
    loss += 2 * reg * sum(np.sum(params[name] ** 2) for name in ("W1", "W2"))
    dS4 = exp / exp.sum(axis=1, keepdims=True)
    dS4[rows, y] -= 1
    return h1, dS4 / len(X), loss
