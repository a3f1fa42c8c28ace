"""A vector that contains the gradients for several arrays, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from autograd_ref.recording import Leaf

__all__ = ["Part", "parts_of"]

# With more arrays, subsets and other orders are not tried.
MOST, MOST_ORDERS = 10, 4


class Part(NamedTuple):
    """The part of a vector that is a gradient.

    Attributes:
        start: position of its first entry.
        shape: shape of its array.
        order: memory order of the array, "C" or "F".
    """

    start: int
    shape: tuple[int, ...]
    order: str

    def of(self, vector: np.ndarray) -> np.ndarray:
        """Return the gradient, in the shape of its array; a view of the vector if possible."""
        flat = vector.reshape(-1)[self.start : self.start + int(np.prod(self.shape))]
        return flat.reshape(self.shape, order="F" if self.order == "F" else "C")


def parts_of(
    vector: np.ndarray, leaves: Sequence[Leaf], fits: Callable[[np.ndarray, Leaf], bool]
) -> list[tuple[Leaf, Part]] | None:
    """Split a vector among arrays.

    Args:
        vector: the gradient.
        leaves: the arrays that may have a part in it, in the order of the arguments.
        fits: returns whether an array is the gradient for a leaf.

    Returns:
        The leaves of the split with the most fitting parts, the first of several; None if no set of arrays
        has the vector's size, or if several sets have it and no part fits.
    """
    best: tuple[int, list[tuple[Leaf, Part]]] | None = None
    subsets = set()
    for chosen in _subsets(leaves, vector.size):
        subsets.add(frozenset(leaf.path for leaf in chosen))
        split, fitting = _split(vector, chosen, fits)
        if best is None or fitting > best[0]:
            best = fitting, split
    if best is None or (best[0] == 0 and len(subsets) > 1):
        return None
    return best[1]


def _subsets(leaves: Sequence[Leaf], size: int) -> Iterator[tuple[Leaf, ...]]:
    if len(leaves) > MOST:
        if sum(leaf.array.size for leaf in leaves) == size:
            yield tuple(leaves)
        return
    for count in range(len(leaves), 1, -1):
        for chosen in combinations(leaves, count):
            if sum(leaf.array.size for leaf in chosen) == size:
                yield from permutations(chosen) if count <= MOST_ORDERS else (chosen,)


def _split(
    vector: np.ndarray, chosen: Sequence[Leaf], fits: Callable[[np.ndarray, Leaf], bool]
) -> tuple[list[tuple[Leaf, Part]], int]:
    split, start, fitting = list[tuple[Leaf, Part]](), 0, 0
    for leaf in chosen:
        options = [Part(start, leaf.array.shape, order) for order in ("C", "F")]
        right = next((part for part in options if fits(part.of(vector), leaf)), None)
        fitting += right is not None
        split.append((leaf, right or options[0]))
        start += leaf.array.size
    return split, fitting
