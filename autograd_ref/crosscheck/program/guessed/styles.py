"""The usual layouts of networks: samples in rows or columns, labels as numbers or one-hot, biases or none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Sizes", "Style", "styles"]


class Sizes(NamedTuple):
    """Samples N, features D, hidden units H, classes C."""

    N: int
    D: int
    H: int
    C: int


@dataclass(frozen=True)
class Style:
    """One layout, as expressions of its arrays.

    Attributes:
        sizes: sizes of the network.
        columns: whether samples are columns, X (D, N).
        out_first: whether weights are (H, D), not (D, H).
        labels: the expression for the labels.
        classes: number of outputs of the last layer; 0 for one number per sample, without an axis.
        bias: "flat" (H,), "matrix" (1, H) or (H, 1), "number" for matrices but a number for a single output,
            or "row" for one more row of the weights.
    """

    sizes: Sizes
    columns: bool
    out_first: bool
    labels: str
    classes: int
    bias: str

    @property
    def inputs(self) -> str:
        """The expression for the inputs."""
        N, D, *_ = self.sizes
        return _normal((D, N) if self.columns else (N, D))

    def weight(self, i: int, layers: int) -> str:
        """Return the expression for the weights of layer ``i`` out of ``layers``."""
        before, after = self._units(i, layers)
        before += self.bias == "row"
        shape = (before,) if not after else (after, before) if self.out_first else (before, after)
        return f"0.5 * {_normal(shape)}"

    def bias_of(self, i: int, layers: int) -> str:
        """Return the expression for the biases of layer ``i`` out of ``layers``."""
        _, after = self._units(i, layers)
        if not after or (after == 1 and self.bias == "number"):
            return "np.array(0.5 * rng.standard_normal())"
        shape = (after,) if self.bias == "flat" else (after, 1) if self.columns else (1, after)
        return f"0.5 * {_normal(shape)}"

    def all_sizes(self, layers: int) -> list[int]:
        """Return the units of every layer, including inputs and outputs."""
        N, D, H, _ = self.sizes
        hidden = [H]
        while len(hidden) < layers:
            hidden.append(next(n for n in range(hidden[-1] + 1, 10**6) if n not in (N, D, self.classes)))
        return [D, *hidden[: layers - 1], self.classes]

    def _units(self, i: int, layers: int) -> tuple[int, int]:
        every = self.all_sizes(layers)
        return every[i], every[i + 1]


def styles(sizes: Sizes, *, layers: int, biases: bool) -> Iterator[Style]:
    """Yield the layouts, the most usual first.

    Args:
        sizes: sizes of the network.
        layers: number of layers with weights.
        biases: whether there are biases separate from the weights.
    """
    N, _, _, C = sizes
    numbers = f"rng.integers(0, {C}, {N})"
    one_hot = f"np.eye({C})[{numbers}]"
    # Two classes are 0 and 1, or -1 and 1. Labels of -1, 0 and 1 hide no factor in either case.
    flat, one, row = (
        [f"rng.integers({low}, 2, {shape}).astype(float)" for low in (-1, 0)]
        for shape in (N, f"({N}, 1)", f"(1, {N})")
    )
    rows = [
        (numbers, C),
        (one_hot, C),
        *_each(one, 1),
        *_each(flat, 0),
        (f"rng.integers(0, {C}, ({N}, 1))", C),
    ]
    if layers == 1:
        rows = [*_each(flat, 0), *_each(one, 1), *rows[:2]]
    columns = [(f"{one_hot}.T", C), *_each(row, 1), (numbers, C)]
    for in_columns, out_first in ((False, False), (True, True), (False, True), (True, False)):
        for text, classes in columns if in_columns else rows:
            shapes = ("flat", "matrix", "number") if classes == 1 else ("flat", "matrix")
            for bias in shapes if biases else ("flat", "row"):
                yield Style(sizes, in_columns, out_first, text, classes, bias)
    single = f"np.eye({C})[:, rng.integers(0, {C}, 1)]"
    yield Style(sizes._replace(N=1), True, True, single, C, "matrix" if biases else "flat")


def _each(labels: Sequence[str], classes: int) -> list[tuple[str, int]]:
    return [(each, classes) for each in labels]


def _normal(shape: tuple[int, ...]) -> str:
    return f"rng.standard_normal({shape})"
