"""The network as ten-odd lines of plain NumPy, and every mistake as other text in one or two of them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

__all__ = ["MISTAKES", "PROGRAM", "Edit", "SlipUp", "run", "slip_ups"]

PROGRAM = (
    "X = np.asarray(X, np.float64)",
    "N = len(y)",
    "z1 = X @ W1 + b1",
    "h1 = np.maximum(z1, 0)",
    "scores = h1 @ W2 + b2",
    "exp = np.exp(scores - scores.max(axis=1, keepdims=True))",
    "probs = exp / exp.sum(axis=1, keepdims=True)",
    "data_loss = -np.mean(np.log(probs[np.arange(N), y]))",
    "loss = data_loss + 2 * reg * (np.sum(W1**2) + np.sum(W2**2))",
    "dscores = probs.copy()",
    "dscores[np.arange(N), y] -= 1",
    "dscores /= N",
    "dW2 = h1.T @ dscores + 4 * reg * W2",
    "db2 = dscores.sum(axis=0)",
    "dh1 = dscores @ W2.T",
    "dz1 = dh1 * (z1 > 0)",
    "dW1 = X.T @ dz1 + 4 * reg * W1",
    "db1 = dz1.sum(axis=0)",
)

# By the part of the computation in which they are made: for each id of the checker's catalogue, the quantity to
# look at, and what is written where. An empty text is a line that was forgotten.
MISTAKES: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "penalty": {
        "reg-bias-in-loss-only": (
            "db2",
            {
                "loss = data_loss + 2 * reg * (np.sum(W1**2) + np.sum(W2**2))": "loss = data_loss + 2 * reg * "
                "(np.sum(W1**2) + np.sum(W2**2) + np.sum(b1**2) + np.sum(b2**2))"
            },
        ),
        "reg-on-bias": ("db2", {"db2 = dscores.sum(axis=0)": "db2 = dscores.sum(axis=0) + 4 * reg * b2"}),
        "reg-missing": ("dW2", {"dW2 = h1.T @ dscores + 4 * reg * W2": "dW2 = h1.T @ dscores"}),
        "reg-halved": (
            "dW2",
            {
                "dW2 = h1.T @ dscores + 4 * reg * W2": "dW2 = h1.T @ dscores + 2 * reg * W2",
                "dW1 = X.T @ dz1 + 4 * reg * W1": "dW1 = X.T @ dz1 + 2 * reg * W1",
            },
        ),
        "reg-doubled": (
            "dW2",
            {"dW2 = h1.T @ dscores + 4 * reg * W2": "dW2 = h1.T @ dscores + 8 * reg * W2"},
        ),
        "reg-sign": (
            "dW2",
            {"dW2 = h1.T @ dscores + 4 * reg * W2": "dW2 = h1.T @ dscores - 4 * reg * W2"},
        ),
        "reg-over-batch": (
            "dW2",
            {"dW2 = h1.T @ dscores + 4 * reg * W2": "dW2 = h1.T @ dscores + 4 * reg * W2 / N"},
        ),
    },
    "local": {
        "bias-mean": ("db2", {"db2 = dscores.sum(axis=0)": "db2 = dscores.mean(axis=0)"}),
        "bias-missing": ("db1", {"db1 = dz1.sum(axis=0)": "db1 = np.zeros_like(b1)"}),
        "bias-scalar": ("db1", {"db1 = dz1.sum(axis=0)": "db1 = dz1.sum()"}),
        "bias-wrong-axis": ("db1", {"db1 = dz1.sum(axis=0)": "db1 = dz1.sum(axis=1)"}),
        "dW2-from-pre-activation": (
            "dW2",
            {"dW2 = h1.T @ dscores + 4 * reg * W2": "dW2 = z1.T @ dscores + 4 * reg * W2"},
        ),
        "dW-transposed": (
            "dW1",
            {"dW1 = X.T @ dz1 + 4 * reg * W1": "dW1 = (X.T @ dz1 + 4 * reg * W1).T"},
        ),
        "batch-mean-missing": ("dW1", {"dscores /= N": ""}),
        "batch-mean-twice": ("dW1", {"dscores /= N": "dscores /= N**2"}),
        "divided-by-classes": ("dW1", {"dscores /= N": "dscores /= dscores.shape[1]"}),
    },
    "upstream": {
        "relu-mask-missing": ("dz1", {"dz1 = dh1 * (z1 > 0)": "dz1 = dh1"}),
        "relu-mask-inverted": ("dz1", {"dz1 = dh1 * (z1 > 0)": "dz1 = dh1 * (z1 <= 0)"}),
        "relu-mask-replaces-upstream": ("dz1", {"dz1 = dh1 * (z1 > 0)": "dz1 = (z1 > 0) * 1.0"}),
        "relu-clips-upstream": ("dz1", {"dz1 = dh1 * (z1 > 0)": "dz1 = np.maximum(dh1, 0)"}),
        "leaky-in-relu-backward": (
            "dz1",
            {"dz1 = dh1 * (z1 > 0)": "dz1 = dh1 * np.where(z1 > 0, 1, 0.01)"},
        ),
        "slope-of-another": ("dz1", {"dz1 = dh1 * (z1 > 0)": "dz1 = dh1 * (1 - np.tanh(z1) ** 2)"}),
        "relu-on-scores": (
            "scores",
            {"scores = h1 @ W2 + b2": "scores = np.maximum(h1 @ W2 + b2, 0)"},
        ),
        "W2-not-transposed": ("dh1", {"dh1 = dscores @ W2.T": "dh1 = dscores @ W2"}),
        "scores-used-as-dscores": ("dh1", {"dh1 = dscores @ W2.T": "dh1 = scores @ W2.T"}),
        "one-hot-missing": ("dscores", {"dscores[np.arange(N), y] -= 1": ""}),
        "one-hot-sign": (
            "dscores",
            {"dscores[np.arange(N), y] -= 1": "dscores[np.arange(N), y] += 1"},
        ),
        "one-hot-whole-column": ("dscores", {"dscores[np.arange(N), y] -= 1": "dscores[:, y] -= 1"}),
        "softmax-diagonal-jacobian": (
            "dscores",
            {
                "dscores = probs.copy()": "dscores = np.zeros_like(probs)",
                "dscores[np.arange(N), y] -= 1": "dscores[np.arange(N), y] = probs[np.arange(N), y] - 1",
            },
        ),
        "softmax-axis": (
            "probs",
            {
                "probs = exp / exp.sum(axis=1, keepdims=True)": "probs = exp / exp.sum(axis=0, keepdims=True)",
            },
        ),
    },
    "values": {
        "loss-sum-not-mean": (
            "loss",
            {
                "data_loss = -np.mean(np.log(probs[np.arange(N), y]))": "data_loss = "
                "-np.sum(np.log(probs[np.arange(N), y]))"
            },
        ),
        "integer-truncation": ("z1", {"X = np.asarray(X, np.float64)": "X = np.asarray(X, int)"}),
        "float32-inside": ("z1", {"X = np.asarray(X, np.float64)": "X = np.asarray(X, np.float32)"}),
        "log-epsilon": (
            "loss",
            {
                "data_loss = -np.mean(np.log(probs[np.arange(N), y]))": "data_loss = "
                "-np.mean(np.log(probs[np.arange(N), y] + 1e-8))"
            },
        ),
    },
}


@dataclass(frozen=True)
class Edit:
    """A line of the program, and what stands in its place; nothing where it was forgotten."""

    right: str
    wrong: str


@dataclass(frozen=True)
class SlipUp:
    """One mistake, written out.

    Attributes:
        id: in the checker's catalogue.
        group: the part of the computation in which it is made.
        shows: the quantity in which to look for it.
        edits: the lines that are written differently.
    """

    id: str
    group: str
    shows: str
    edits: tuple[Edit, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The program with the mistake."""
        instead = {edit.right: edit.wrong for edit in self.edits}
        unknown = instead.keys() - set(PROGRAM)
        if unknown:
            raise ValueError(f"autograd_ref/study/program.py: {self.id} edits no line of it: {unknown}")
        return tuple(filter(None, (instead.get(line, line) for line in PROGRAM)))


def slip_ups() -> list[SlipUp]:
    """All of them, by group."""
    return [
        SlipUp(id, group, shows, tuple(Edit(right, wrong) for right, wrong in lines.items()))
        for group, found in MISTAKES.items()
        for id, (shows, lines) in found.items()
    ]


def run(lines: tuple[str, ...], params: Any, X: Any, y: Any, reg: float) -> dict[str, Any]:
    """Run the program.

    Args:
        lines: `PROGRAM`, or that of a mistake.
        params: W1, b1, W2, b2.
        X: inputs.
        y: labels.
        reg: strength of the penalty.

    Returns:
        Every name that it assigns, those of the inputs included.

    Raises:
        ValueError: shapes do not fit.
    """
    scope = {"np": np, **params, "X": X, "y": y, "reg": reg}
    exec(_compiled(lines), scope)  # noqa: S102 - the lines above
    return {name: value for name, value in scope.items() if name not in ("np", "__builtins__")}


@cache
def _compiled(lines: tuple[str, ...]) -> Any:
    return compile("\n".join(lines), "program.py", "exec")
