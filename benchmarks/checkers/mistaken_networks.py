"""Networks as students write them, with one mistake each: edits of one right source.

The code shares no line with the catalogue that has to recognise the mistakes.
"""

from typing import Any

Edits = list[tuple[str, str]]

RIGHT = """
import numpy as np


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def loss(self, X, y=None, reg=0.0):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape
        z1 = X.dot(W1) + b1
        h1 = np.maximum(0, z1)
        scores = h1.dot(W2) + b2
        if y is None:
            return scores
        shifted = scores - np.max(scores, axis=1, keepdims=True)
        exp = np.exp(shifted)
        probs = exp / np.sum(exp, axis=1, keepdims=True)
        data_loss = np.mean(np.log(np.sum(exp, axis=1)) - shifted[np.arange(N), y])
        loss = data_loss + reg * np.sum(W1 * W1) + reg * np.sum(W2 * W2)
        dscores = probs.copy()
        dscores[np.arange(N), y] -= 1
        dscores /= N
        grads = {}
        grads["W2"] = h1.T.dot(dscores) + 2 * reg * W2
        grads["b2"] = np.sum(dscores, axis=0)
        dh1 = dscores.dot(W2.T)
        dz1 = dh1 * (h1 > 0)
        grads["W1"] = X.T.dot(dz1) + 2 * reg * W1
        grads["b1"] = np.sum(dz1, axis=0)
        return loss, grads
"""

PENALTY_1, PENALTY_2 = "X.T.dot(dz1) + 2 * reg * W1", "h1.T.dot(dscores) + 2 * reg * W2"
ONE_HOT = "dscores[np.arange(N), y] -= 1"
MASK = "dz1 = dh1 * (h1 > 0)"
BIAS_1, BIAS_2 = "np.sum(dz1, axis=0)", "np.sum(dscores, axis=0)"
LOSS = "data_loss = np.mean(np.log(np.sum(exp, axis=1)) - shifted[np.arange(N), y])"
TOTAL = "loss = data_loss + reg * np.sum(W1 * W1) + reg * np.sum(W2 * W2)"

# id -> (gradients in which the mistake shows, edits); a name in brackets distinguishes variants.
MISTAKES: dict[str, tuple[set[str], Edits]] = {
    "reg-missing": ({"dW1"}, [(PENALTY_1, "X.T.dot(dz1)")]),
    "reg-missing [both]": ({"dW1", "dW2"}, [(PENALTY_1, "X.T.dot(dz1)"), (PENALTY_2, "h1.T.dot(dscores)")]),
    "reg-halved": ({"dW1"}, [(PENALTY_1, "X.T.dot(dz1) + reg * W1")]),
    "reg-halved [both]": (
        {"dW1", "dW2"},
        [(PENALTY_1, "X.T.dot(dz1) + reg * W1"), (PENALTY_2, "h1.T.dot(dscores) + reg * W2")],
    ),
    "reg-doubled": ({"dW2"}, [(PENALTY_2, "h1.T.dot(dscores) + 4 * reg * W2")]),
    "reg-sign": ({"dW2"}, [(PENALTY_2, "h1.T.dot(dscores) - 2 * reg * W2")]),
    "reg-over-batch": ({"dW1"}, [(PENALTY_1, "X.T.dot(dz1) + 2 * reg * W1 / N")]),
    "reg-on-bias": ({"db1"}, [(BIAS_1, BIAS_1 + " + 2 * reg * b1")]),
    "reg-bias-in-loss-only": ({"db2"}, [(TOTAL, TOTAL + " + reg * np.sum(b2 * b2)")]),
    "batch-mean-missing": ({"dW1", "db1", "dW2", "db2"}, [("dscores /= N", "pass")]),
    "batch-mean-missing [db2]": ({"db2"}, [(BIAS_2, "N * np.sum(dscores, axis=0)")]),
    "batch-mean-twice": ({"dW1", "db1", "dW2", "db2"}, [("dscores /= N", "dscores /= N * N")]),
    "divided-by-classes": ({"dW1", "db1", "dW2", "db2"}, [("dscores /= N", "dscores /= len(b2)")]),
    "loss-sum-not-mean": ({"loss"}, [("data_loss = np.mean(", "data_loss = np.sum(")]),
    "one-hot-missing": ({"dW1", "db1", "dW2", "db2"}, [(ONE_HOT, "pass")]),
    "one-hot-sign": ({"dW1", "db1", "dW2", "db2"}, [(ONE_HOT, "dscores[np.arange(N), y] += 1")]),
    "one-hot-whole-column": ({"dW1", "db1", "dW2", "db2"}, [(ONE_HOT, "dscores[:, y] -= 1")]),
    "softmax-diagonal-jacobian": (
        {"dW1", "db1", "dW2", "db2"},
        [
            ("dscores = probs.copy()", "dscores = np.zeros_like(probs)"),
            (ONE_HOT, "dscores[np.arange(N), y] = -(1 - probs[np.arange(N), y])"),
        ],
    ),
    "softmax-axis": (
        {"loss", "dW1", "db1", "dW2", "db2"},
        [
            ("shifted = scores - np.max(scores, axis=1, keepdims=True)", "shifted = scores - np.max(scores)"),
            ("np.sum(exp, axis=1, keepdims=True)", "np.sum(exp, axis=0, keepdims=True)"),
            (LOSS, "data_loss = -np.mean(np.log(probs[np.arange(N), y]))"),
        ],
    ),
    "log-epsilon": (
        {"loss"}, [(LOSS, "data_loss = -np.mean(np.log(probs[np.arange(N), y] + 1e-8))")]
    ),
    "relu-mask-missing": ({"dW1", "db1"}, [(MASK, "dz1 = dh1")]),
    "relu-mask-inverted": ({"dW1", "db1"}, [(MASK, "dz1 = dh1 * (h1 <= 0)")]),
    "relu-mask-replaces-upstream": ({"dW1", "db1"}, [(MASK, "dz1 = (h1 > 0).astype(float)")]),
    "relu-clips-upstream": ({"dW1", "db1"}, [(MASK, "dz1 = np.maximum(dh1, 0)")]),
    "relu-on-scores": (
        {"loss", "dW1", "db1", "dW2", "db2"},
        [("scores = h1.dot(W2) + b2", "scores = np.maximum(0, h1.dot(W2) + b2)")],
    ),
    "dW2-from-pre-activation": ({"dW2"}, [(PENALTY_2, "z1.T.dot(dscores) + 2 * reg * W2")]),
    "bias-mean": ({"db1"}, [(BIAS_1, "np.mean(dz1, axis=0)")]),
    "bias-mean [both]": ({"db1", "db2"}, [(BIAS_1, "dz1.mean(0)"), (BIAS_2, "dscores.mean(0)")]),
    "bias-scalar": ({"db1"}, [(BIAS_1, "np.sum(dz1)")]),
    "bias-missing": ({"db2"}, [(BIAS_2, "np.zeros_like(b2)")]),
    "bias-wrong-axis": ({"db1"}, [(BIAS_1, "np.sum(dz1, axis=1)")]),
    "W2-not-transposed": ({"dW1", "db1"}, [("dscores.dot(W2.T)", "dscores.dot(W2)")]),
    "dW-transposed": ({"dW2"}, [(PENALTY_2, "(h1.T.dot(dscores) + 2 * reg * W2).T")]),
    "dW-transposed [data]": ({"dW1"}, [(PENALTY_1, "dz1.T.dot(X) + 2 * reg * W1")]),
    "scores-used-as-dscores": ({"dW1", "db1"}, [("dscores.dot(W2.T)", "scores.dot(W2.T)")]),
    "float32-inside": (
        {"loss", "dW1", "db1", "dW2", "db2"},
        [
            ("N, D = X.shape", "N, D = X.shape; X = X.astype(np.float32)"),
            ('W1, b1 = self.params["W1"], self.params["b1"]',
             'W1, b1 = (self.params[k].astype(np.float32) for k in ("W1", "b1"))'),
            ('W2, b2 = self.params["W2"], self.params["b2"]',
             'W2, b2 = (self.params[k].astype(np.float32) for k in ("W2", "b2"))'),
        ],
    ),
    "float32-inside [X]": (
        {"loss", "dW1", "db1", "dW2", "db2"}, [("N, D = X.shape", "N, D = X.shape; X = X.astype(np.float32)")]
    ),
    "integer-truncation": (
        {"loss", "dW1", "db1", "dW2", "db2"}, [("N, D = X.shape", "N, D = X.shape; X = X.astype(int)")]
    ),
}  # fmt: skip

# Mistakes that are not in the catalogue, with the first wrong quantity.
UNKNOWN: dict[str, tuple[str, Edits]] = {
    "W1 gradient times 1.1": ("dW1", [(PENALTY_1, "1.1 * (X.T.dot(dz1) + 2 * reg * W1)")]),
    "one column of dW2 zero": ("dW2", [('grads["b2"] =', 'grads["W2"][:, 1] = 0; grads["b2"] =')]),
    "label shifted by one": ("dW2", [(ONE_HOT, "dscores[np.arange(N), (y + 1) % len(b2)] -= 1")]),
    "three times the penalty": ("dW1", [(PENALTY_1, "X.T.dot(dz1) + 3 * reg * W1")]),
    "leaky mask": ("dW1", [(MASK, "dz1 = dh1 * np.where(h1 > 0, 1, 0.2)")]),
    "mask of the second sample": ("dW1", [(MASK, "dz1 = dh1 * (h1[1] > 0)")]),
    "sign of db1": ("db1", [(BIAS_1, "-np.sum(dz1, axis=0)")]),
    "last sample dropped": ("dW2", [(PENALTY_2, "h1[:-1].T.dot(dscores[:-1]) + 2 * reg * W2")]),
    "gradient clipped": ("dW2", [('grads["b2"] =', 'grads["W2"].clip(-.1, .1, grads["W2"]); grads["b2"] =')]),
    "dscores times probs": ("dW2", [("dscores /= N", "dscores /= N; dscores *= probs")]),
    "one entry of dW1 off by a billionth": (
        "dW1", [("return loss, grads", 'grads["W1"][1, 2] *= 1 + 1e-9; return loss, grads')]
    ),
    "cubic penalty": ("loss", [(TOTAL, TOTAL + " + reg * np.sum(np.abs(W1) ** 3)")]),
    "loss off by a constant": ("loss", [(TOTAL, TOTAL + " + 0.01")]),
}  # fmt: skip

# Correct variants, which must never be flagged.
HARMLESS: dict[str, Edits] = {
    "mask from z1 >= 0": [(MASK, "dz1 = dh1 * (z1 >= 0)")],
    "mask by indexing": [(MASK, "dz1 = dh1.copy(); dz1[h1 <= 0] = 0")],
    "shift by the mean": [
        ("np.max(scores, axis=1, keepdims=True)", "np.mean(scores, axis=1, keepdims=True)")
    ],
    "shift by the global maximum": [("np.max(scores, axis=1, keepdims=True)", "np.max(scores)")],
    "no shift": [("scores - np.max(scores, axis=1, keepdims=True)", "scores")],
    "log of the probability": [(LOSS, "data_loss = -np.mean(np.log(probs[np.arange(N), y]))")],
    "Fortran-ordered results": [
        ("return loss, grads", "return loss, {k: np.asfortranarray(v) for k, v in grads.items()}")
    ],
    "extra keys": [("return loss, grads", 'grads["X"] = dz1.dot(W1.T); return loss, grads')],
    "plain loops": [(PENALTY_1, "sum(np.outer(X[n], dz1[n]) for n in range(N)) + 2 * reg * W1")],
    "einsum": [(PENALTY_2, 'np.einsum("nh,nc->hc", h1, dscores) + 2 * reg * W2')],
    "biases penalised in loss and gradient": [
        (TOTAL, TOTAL + " + 0.5 * reg * np.sum(b1 * b1)"), (BIAS_1, BIAS_1 + " + reg * b1"),
    ],
    "half the penalty": [
        (TOTAL, "loss = data_loss + 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))"),
        (PENALTY_1, "X.T.dot(dz1) + reg * W1"), (PENALTY_2, "h1.T.dot(dscores) + reg * W2"),
    ],
    "an odd coefficient": [
        (TOTAL, "loss = data_loss + 0.37 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))"),
        (PENALTY_1, "X.T.dot(dz1) + 0.74 * reg * W1"), (PENALTY_2, "h1.T.dot(dscores) + 0.74 * reg * W2"),
    ],
    "no penalty": [
        (TOTAL, "loss = data_loss"), (PENALTY_1, "X.T.dot(dz1)"), (PENALTY_2, "h1.T.dot(dscores)"),
    ],
    "divided at the end": [
        ("dscores /= N", "pass"), (PENALTY_1, "X.T.dot(dz1) / N + 2 * reg * W1"),
        (PENALTY_2, "h1.T.dot(dscores) / N + 2 * reg * W2"),
        (BIAS_1, "np.sum(dz1, axis=0) / N"), (BIAS_2, "np.mean(dscores, axis=0)"),
    ],
}  # fmt: skip


def source(*edits: tuple[str, str]) -> str:
    """Return the right source with some edits, each of which must fit exactly once."""
    text = RIGHT
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    return text


def network(*edits: tuple[str, str]) -> type:
    """Return the class of the edited source."""
    namespace: dict[str, Any] = {}
    exec(source(*edits), namespace)
    network_class: type = namespace["TwoLayerNet"]
    return network_class
