"""The network in about ten lines of plain NumPy, and every mistake as a change of one or two of them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

__all__ = ["MISTAKES", "PROGRAM", "Edit", "SlipUp", "run", "slip_ups"]

INPUTS = "X = np.asarray(X, np.float64)"
SCORES = "scores = h1 @ W2 + b2"
PROBS = "probs = exp / exp.sum(axis=1, keepdims=True)"
DATA_LOSS = "data_loss = -np.mean(np.log(probs[np.arange(N), y]))"
LOSS = "loss = data_loss + 2 * reg * (np.sum(W1**2) + np.sum(W2**2))"
COPY = "dscores = probs.copy()"
ONE_HOT = "dscores[np.arange(N), y] -= 1"
MEAN = "dscores /= N"
DW2, DB2 = "dW2 = h1.T @ dscores + 4 * reg * W2", "db2 = dscores.sum(axis=0)"
DH1, DZ1 = "dh1 = dscores @ W2.T", "dz1 = dh1 * (z1 > 0)"
DW1, DB1 = "dW1 = X.T @ dz1 + 4 * reg * W1", "db1 = dz1.sum(axis=0)"

PROGRAM = (
    INPUTS,
    "N = len(y)",
    "z1 = X @ W1 + b1",
    "h1 = np.maximum(z1, 0)",
    SCORES,
    "exp = np.exp(scores - scores.max(axis=1, keepdims=True))",
    PROBS, DATA_LOSS, LOSS, COPY, ONE_HOT, MEAN, DW2, DB2, DH1, DZ1, DW1, DB1,
)  # fmt: skip

# Mistakes by the part of the computation: for each id of the checker's catalogue, the quantity to look at,
# and the lines to replace. An empty replacement is a forgotten line.
MISTAKES: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "penalty": {
        "reg-bias-in-loss-only": (
            "db2", {LOSS: LOSS.removesuffix(")") + " + np.sum(b1**2) + np.sum(b2**2))"}
        ),
        "reg-on-bias": ("db2", {DB2: "db2 = dscores.sum(axis=0) + 4 * reg * b2"}),
        "reg-missing": ("dW2", {DW2: "dW2 = h1.T @ dscores"}),
        "reg-halved": (
            "dW2", {DW2: "dW2 = h1.T @ dscores + 2 * reg * W2", DW1: "dW1 = X.T @ dz1 + 2 * reg * W1"}
        ),
        "reg-doubled": ("dW2", {DW2: "dW2 = h1.T @ dscores + 8 * reg * W2"}),
        "reg-sign": ("dW2", {DW2: "dW2 = h1.T @ dscores - 4 * reg * W2"}),
        "reg-over-batch": ("dW2", {DW2: "dW2 = h1.T @ dscores + 4 * reg * W2 / N"}),
    },
    "local": {
        "bias-mean": ("db2", {DB2: "db2 = dscores.mean(axis=0)"}),
        "bias-missing": ("db1", {DB1: "db1 = np.zeros_like(b1)"}),
        "bias-scalar": ("db1", {DB1: "db1 = dz1.sum()"}),
        "bias-wrong-axis": ("db1", {DB1: "db1 = dz1.sum(axis=1)"}),
        "dW2-from-pre-activation": ("dW2", {DW2: "dW2 = z1.T @ dscores + 4 * reg * W2"}),
        "dW-transposed": ("dW1", {DW1: "dW1 = (X.T @ dz1 + 4 * reg * W1).T"}),
        "batch-mean-missing": ("dW1", {MEAN: ""}),
        "batch-mean-twice": ("dW1", {MEAN: "dscores /= N**2"}),
        "divided-by-classes": ("dW1", {MEAN: "dscores /= dscores.shape[1]"}),
    },
    "upstream": {
        "relu-mask-missing": ("dz1", {DZ1: "dz1 = dh1"}),
        "relu-mask-inverted": ("dz1", {DZ1: "dz1 = dh1 * (z1 <= 0)"}),
        "relu-mask-replaces-upstream": ("dz1", {DZ1: "dz1 = (z1 > 0) * 1.0"}),
        "relu-clips-upstream": ("dz1", {DZ1: "dz1 = np.maximum(dh1, 0)"}),
        "leaky-in-relu-backward": ("dz1", {DZ1: "dz1 = dh1 * np.where(z1 > 0, 1, 0.01)"}),
        "slope-of-another": ("dz1", {DZ1: "dz1 = dh1 * (1 - np.tanh(z1) ** 2)"}),
        "relu-on-scores": ("scores", {SCORES: "scores = np.maximum(h1 @ W2 + b2, 0)"}),
        "W2-not-transposed": ("dh1", {DH1: "dh1 = dscores @ W2"}),
        "scores-used-as-dscores": ("dh1", {DH1: "dh1 = scores @ W2.T"}),
        "one-hot-missing": ("dscores", {ONE_HOT: ""}),
        "one-hot-sign": ("dscores", {ONE_HOT: "dscores[np.arange(N), y] += 1"}),
        "one-hot-whole-column": ("dscores", {ONE_HOT: "dscores[:, y] -= 1"}),
        "softmax-diagonal-jacobian": (
            "dscores",
            {
                COPY: "dscores = np.zeros_like(probs)",
                ONE_HOT: "dscores[np.arange(N), y] = probs[np.arange(N), y] - 1",
            },
        ),
        "softmax-axis": ("probs", {PROBS: "probs = exp / exp.sum(axis=0, keepdims=True)"}),
    },
    "values": {
        "loss-sum-not-mean": ("loss", {DATA_LOSS: "data_loss = -np.sum(np.log(probs[np.arange(N), y]))"}),
        "integer-truncation": ("z1", {INPUTS: "X = np.asarray(X, int)"}),
        "float32-inside": ("z1", {INPUTS: "X = np.asarray(X, np.float32)"}),
        "log-epsilon": (
            "loss", {DATA_LOSS: "data_loss = -np.mean(np.log(probs[np.arange(N), y] + 1e-8))"}
        ),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """A line of the program and its replacement, which is empty for a forgotten line."""

    right: str
    wrong: str


@dataclass(frozen=True)
class SlipUp:
    """One mistake in the program.

    Attributes:
        id: its id in the checker's catalogue.
        group: the part of the computation that contains it.
        shows: the quantity that shows it.
        edits: the changed lines.
    """

    id: str
    group: str
    shows: str
    edits: tuple[Edit, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the program with the mistake."""
        instead = {edit.right: edit.wrong for edit in self.edits}
        unknown = instead.keys() - set(PROGRAM)
        if unknown:
            raise ValueError(f"autograd_ref/study/program.py: {self.id} edits unknown lines: {unknown}")
        return tuple(filter(None, (instead.get(line, line) for line in PROGRAM)))


def slip_ups() -> list[SlipUp]:
    """Return all mistakes, by group."""
    return [
        SlipUp(id, group, shows, tuple(Edit(right, wrong) for right, wrong in lines.items()))
        for group, found in MISTAKES.items()
        for id, (shows, lines) in found.items()
    ]


def run(lines: tuple[str, ...], params: Any, X: Any, y: Any, reg: float) -> dict[str, Any]:
    """Run `PROGRAM`, or a mistaken version, and return all names that it assigns, and the inputs.

    Raise ValueError if shapes do not fit.
    """
    scope = {"np": np, **params, "X": X, "y": y, "reg": reg}
    exec(_compiled(lines), scope)  # noqa: S102 - the lines above
    return {name: value for name, value in scope.items() if name not in ("np", "__builtins__")}


@cache
def _compiled(lines: tuple[str, ...]) -> Any:
    return compile("\n".join(lines), "program.py", "exec")
