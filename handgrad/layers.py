r"""The layers as forward/backward pairs: affine, softmax cross-entropy, L2 penalty.

A backward function takes the adjoint of the layer's output and returns the adjoints of its inputs,
where the adjoint of ``q`` is ``dq`` = ∂loss/∂q, in the shape of ``q``. Its docstring is the derivation:
the forward formula, the derivative index by index, the same as matrices; the code is the last step.

Each function works in the dtype of its arrays, float32 or float64, and never writes to an argument.
"""

import numpy as np
from jaxtyping import Float, Integer

__all__ = [
    "affine_backward",
    "affine_backward_params",
    "affine_forward",
    "l2_penalty_backward",
    "l2_penalty_forward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
]


def affine_forward(
    x: Float[np.ndarray, "N I"], W: Float[np.ndarray, "I O"], b: Float[np.ndarray, " O"]
) -> Float[np.ndarray, "N O"]:
    r"""An affine layer, $z_{nj} = \sum_i x_{ni} W_{ij} + b_j$; as matrices $z = xW + b$.

    Args:
        x: inputs, one row per sample.
        W: weights.
        b: biases, added to every row.

    Returns:
        The layer's output ``z``.
    """
    return x @ W + b


def affine_backward_params(
    dz: Float[np.ndarray, "N O"], x: Float[np.ndarray, "N I"]
) -> tuple[Float[np.ndarray, "I O"], Float[np.ndarray, " O"]]:
    r"""The adjoints of an affine layer's parameters.

    $z_{nj} = \sum_i x_{ni} W_{ij} + b_j$. Each $W_{ij}$ feeds $z_{nj}$ for every $n$, so
    $\partial L/\partial W_{ij} = \sum_n x_{ni}\, dz_{nj}$: a sum over the batch, which is
    $dW = x^\top dz$. The transpose is on $x$ because the summed index $n$ must be adjacent in
    the product.

    Each $b_j$ feeds $z_{nj}$ for every $n$ with slope 1, so $db_j = \sum_n dz_{nj}$:
    broadcasting forward is summing backward.

    Args:
        dz: adjoint of the output.
        x: the inputs of the forward pass.

    Returns:
        ``(dW, db)``.
    """
    return x.T @ dz, dz.sum(axis=0)


def affine_backward(
    dz: Float[np.ndarray, "N O"], x: Float[np.ndarray, "N I"], W: Float[np.ndarray, "I O"]
) -> tuple[Float[np.ndarray, "N I"], Float[np.ndarray, "I O"], Float[np.ndarray, " O"]]:
    r"""The adjoints of an affine layer's input and parameters.

    $z_{nj} = \sum_i x_{ni} W_{ij} + b_j$. Each $x_{ni}$ feeds $z_{nj}$ for every $j$ with slope
    $W_{ij}$, so $dx_{ni} = \sum_j dz_{nj} W_{ij}$: a sum over the outputs, which is
    $dx = dz\, W^\top$. The transpose is on $W$ because the summed index $j$ must be adjacent in
    the product.

    `affine_backward_params` gives the parameters' adjoints.

    Args:
        dz: adjoint of the output.
        x: the inputs of the forward pass.
        W: the weights of the forward pass.

    Returns:
        ``(dx, dW, db)``.
    """
    dW, db = affine_backward_params(dz, x)
    return dz @ W.T, dW, db


def softmax_cross_entropy_forward(
    scores: Float[np.ndarray, "N C"], y: Integer[np.ndarray, " N"]
) -> tuple[np.floating, Float[np.ndarray, "N C"]]:
    r"""The mean over the batch of $-\log p_{n y_n}$, where $p$ is the softmax of the scores.

    $p_{nj} = e^{s_{nj}} / \sum_k e^{s_{nk}}$, therefore
    $-\log p_{n y_n} = \log \sum_k e^{s_{nk}} - s_{n y_n}$. Subtracting a row's largest score from the
    row changes neither, and keeps every exponent at or below 0 and the sum between 1 and $C$: nothing
    overflows, and no logarithm is taken of a probability that underflowed (Blanchard, Higham & Higham,
    "Accurately computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41, 2021, §3).

    Both results are finite for every finite input; a gap between scores that is wider than half the
    dtype's range counts as that half.

    Args:
        scores: one row per sample, one column per class.
        y: the right class of each sample, in [0, C).

    Returns:
        ``(loss, probs)``: a scalar in the dtype of the scores, and the probabilities.
    """
    with np.errstate(over="ignore"):
        shifted = scores - scores.max(axis=1, keepdims=True)
    shifted = np.maximum(shifted, np.finfo(scores.dtype).min / 2)
    exp = np.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    N = len(y)
    losses = np.log(total[:, 0]) - shifted[np.arange(N), y]
    # Divide before summing: the sum of the losses could overflow where their mean does not.
    return (losses / N).sum(), exp / total


def softmax_cross_entropy_backward(
    probs: Float[np.ndarray, "N C"], y: Integer[np.ndarray, " N"]
) -> Float[np.ndarray, "N C"]:
    r"""The adjoint of the scores under the mean cross-entropy.

    For one sample, $L = \log \sum_k e^{s_k} - s_y$. The derivative of the first term with respect to
    $s_j$ is $e^{s_j} / \sum_k e^{s_k} = p_j$; the second's is 1 for $j = y$ and 0 elsewhere. So
    $\partial L/\partial s_j = p_j - [j = y]$, and the mean over $N$ samples divides by $N$:
    $ds_{nj} = (p_{nj} - [j = y_n]) / N$.

    Derived in two steps, it is the same: $\partial p_k / \partial s_j = p_k ([k = j] - p_j)$ is the
    softmax's Jacobian, $\partial L / \partial p_k = -[k = y]/p_y$, and the sum over $k$ of their
    products collapses to $-([y = j] - p_j)$.

    As matrices $ds = (P - Y)/N$ with $Y$ the one-hot labels. The result is a new array: subtracting
    the one-hot from ``probs`` itself would overwrite the caller's probabilities.

    Args:
        probs: the probabilities of the forward pass.
        y: the right class of each sample, in [0, C).

    Returns:
        ``dscores``.
    """
    dscores = probs.copy()
    dscores[np.arange(len(y)), y] -= 1
    dscores /= len(y)
    return dscores


def l2_penalty_forward(W: Float[np.ndarray, "*shape"], reg: float, c: float = 2.0) -> np.floating:
    r"""The penalty $c \cdot reg \cdot \sum_{ij} W_{ij}^2$.

    Args:
        W: weights.
        reg: strength of the penalty, not negative.
        c: the coefficient; 2 in this project, 1 or ½ in others.

    Returns:
        A scalar in the dtype of ``W``.
    """
    return W.dtype.type(c * reg) * np.vdot(W, W)


def l2_penalty_backward(
    W: Float[np.ndarray, "*shape"], reg: float, c: float = 2.0
) -> Float[np.ndarray, "*shape"]:
    r"""The penalty's contribution to the weights' adjoint.

    $R = c \cdot reg \cdot \sum_{ij} W_{ij}^2$, and the derivative of a square is twice its argument:
    $\partial R/\partial W_{ij} = 2c \cdot reg \cdot W_{ij}$. With this project's $c = 2$ that is
    $4\,reg\,W$. The factor 2 that the square brings down comes on top of the factor $c$ that the loss
    already has.

    Args:
        W: weights.
        reg: strength of the penalty, not negative.
        c: the coefficient in the loss.

    Returns:
        The penalty's gradient, in the shape of ``W``.
    """
    return W.dtype.type(2 * c * reg) * W
