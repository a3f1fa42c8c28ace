"""Recorded and timed programs: many operations of sixty kinds, and a loop over single entries."""

from collections.abc import Callable

import numpy as np

SIDE = 4

X = np.ndarray

# Each function takes and returns an array (SIDE, SIDE); w has the same shape.
KINDS: dict[str, Callable[[X, X], X]] = {
    "tanh": lambda x, w: np.tanh(x),
    "add": lambda x, w: x + w,
    "sin": lambda x, w: np.sin(x),
    "matmul": lambda x, w: x @ w,
    "arctan": lambda x, w: np.arctan(x),
    "multiply": lambda x, w: x * w,
    "cos": lambda x, w: np.cos(x),
    "subtract": lambda x, w: x - w,
    "exp": lambda x, w: np.exp(x),
    "arcsinh": lambda x, w: np.arcsinh(x),
    "logaddexp": lambda x, w: np.logaddexp(x, w),
    "log": lambda x, w: np.log(x),
    "maximum": lambda x, w: np.maximum(x, w),
    "square": lambda x, w: np.square(x),
    "log1p": lambda x, w: np.log1p(x),
    "sqrt": lambda x, w: np.sqrt(x),
    "minimum": lambda x, w: np.minimum(x, w),
    "negative": lambda x, w: -x,
    "expm1": lambda x, w: np.expm1(x),
    "absolute": lambda x, w: np.abs(x),
    "hypot": lambda x, w: np.hypot(x, w),
    "reciprocal": lambda x, w: np.reciprocal(x),
    "sinh": lambda x, w: np.sinh(x),
    "arctan2": lambda x, w: np.arctan2(x, w),
    "cosh": lambda x, w: np.cosh(x),
    "divide": lambda x, w: w / x,
    "cbrt": lambda x, w: np.cbrt(x),
    "less scaled": lambda x, w: 0.5 * x,
    "shifted": lambda x, w: x + 2.0,
    "power": lambda x, w: x**3,
    "log2": lambda x, w: np.log2(np.abs(x) + 1.0),
    "exp2": lambda x, w: np.exp2(-x),
    "log10": lambda x, w: np.log10(x + 1.0),
    "clip": lambda x, w: np.clip(x, -1.0, 1.0),
    "where": lambda x, w: np.where(w > 0, x, w),
    "fmax": lambda x, w: np.fmax(x, 0.1),
    "float_power": lambda x, w: np.float_power(x, 1.5),
    "sum": lambda x, w: w + np.sum(x, axis=0),
    "mean": lambda x, w: w - np.mean(x, axis=1, keepdims=True),
    "var": lambda x, w: w * np.var(x, axis=0),
    "std": lambda x, w: x / np.std(x, axis=1, keepdims=True),
    "max": lambda x, w: x - np.max(x, axis=1, keepdims=True),
    "exponentials": lambda x, w: np.exp(x),
    "softmax": lambda x, w: x / np.sum(x, axis=1, keepdims=True),
    "min": lambda x, w: w * np.min(x, axis=0),
    "cumsum": lambda x, w: np.cumsum(x, axis=1),
    "sine": lambda x, w: np.sin(x),
    "prod": lambda x, w: w + np.prod(x, axis=0),
    "einsum": lambda x, w: np.einsum("ij,kj->ik", x, w),
    "dot": lambda x, w: np.dot(w, x),
    "inner": lambda x, w: 0.1 * np.inner(x, w),
    "squashed": lambda x, w: np.tanh(x),
    "transpose": lambda x, w: x.T,
    "concatenate": lambda x, w: np.concatenate([x[2:], x[:2]]),
    "roll": lambda x, w: np.roll(x, 1, axis=0),
    "take": lambda x, w: x[np.arange(SIDE)[::-1]],
    "sort": lambda x, w: np.sort(x, axis=1),
    "tensordot": lambda x, w: np.tensordot(x, w, axes=1),
    "diff": lambda x, w: w[:, 1:] @ np.diff(x, axis=0),
    "norm": lambda x, w: x / np.linalg.norm(x),
}  # fmt: skip


# The number of operations in one round of all kinds; some kinds consist of two.
A_ROUND = 81


def of_sixty_kinds(operations: int) -> tuple[Callable[[X, X], np.floating], X, X]:
    """Return a loss with about this number of operations, of all kinds in turn, and its arguments."""
    rng = np.random.default_rng(0)
    rounds = max(round(operations / A_ROUND), 1)

    def loss(start: X, w: X) -> np.floating:
        x = start
        for _ in range(rounds):
            for kind in KINDS.values():
                x = kind(x, w)
            x = start + 0.1 * np.tanh(x)
        return np.sum(np.tanh(x))

    return loss, rng.standard_normal((SIDE, SIDE)), 0.3 * rng.standard_normal((SIDE, SIDE))


def one_by_one(side: int) -> tuple[Callable[[X], np.floating], X]:
    """Return a loss that reads the entries of an array one by one, and its argument."""
    rng = np.random.default_rng(0)

    def loss(x: X) -> np.floating:
        total = np.float64(0)
        for i in range(side):
            for j in range(side):
                total += x[i, j] * x[j, i]
        return total

    return loss, rng.standard_normal((side, side))
