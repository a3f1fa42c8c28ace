"""The reference at every point, evaluated and measured once for any number of hand gradients."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Array
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.rounding_bounds import Measured
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.function.reference import Reference, Traced, is_same
from autograd_ref.crosscheck.function.witnesses import Witness
from autograd_ref.two_layer_net import precision

__all__ = ["KnownPoint", "KnownPoints"]


class KnownPoint:
    """The reference at one point.

    Attributes:
        traced: the reference.
        inputs: its arguments at this point.
        loss: its value, with a bound.
        gradients: its gradients, in the order of the parameters.
        witness: differences of its values at this point.
    """

    def __init__(self, traced: Traced, inputs: list[Array], seed: int, number: int) -> None:
        """Measure the reference; call this in float64."""
        self.traced, self.inputs, self._seeds = traced, inputs, [seed, number]
        rng = np.random.default_rng(self._seeds)
        self.loss: Measured
        self.gradients: list[Measured]
        self.loss, *self.gradients = traced.rounded.measure(inputs, rng, few=number > 0)
        self.witness = Witness(traced, inputs, np.random.default_rng([*self._seeds, 1]))

    @property
    def is_finite(self) -> bool:
        """Whether the loss and all gradients are finite."""
        return all(bool(np.isfinite(each.value).all()) for each in (self.loss, *self.gradients))

    @cached_property
    def noise(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return how far rounding in float32 and in float64 moves each gradient, without a safety factor."""
        rng = np.random.default_rng([*self._seeds, 2])
        response = self.traced.rounded.response
        with precision(np.float64):
            return response(self.inputs, rng, np.float32)[1:], response(self.inputs, rng, np.float64)[1:]


class KnownPoints:
    """The results of a reference at several points."""

    def __init__(self, function: Callable[..., Any], dtype: DTypeLike, seed: int) -> None:
        """Prepare a reference.

        Args:
            function: a loss in JAX.
            dtype: the checked dtype.
            seed: seed of the random errors.
        """
        self.reference, self.seed = Reference(function, dtype), seed
        self._known: dict[int, tuple[list[Any], KnownPoint]] = {}

    def at(self, point: Point, number: int) -> KnownPoint:
        """Evaluate the reference at a point.

        Args:
            point: the point.
            number: the number of the point; number 0 is measured more sharply.

        Returns:
            The results there.

        Raises:
            NotJudged: the reference raised, cannot be differentiated, or returns no loss.
        """
        leaves = jax.tree.leaves((point.params, point.args))
        before, known = self._known.get(number, ([], None))
        if known is not None and len(leaves) == len(before) and all(map(is_same, leaves, before)):
            return known
        with precision(np.float64):
            known = KnownPoint(*self.reference.at(point), self.seed, number)
        self._known[number] = leaves, known
        return known

    @cached_property
    def in_float64(self) -> "KnownPoints":
        """Return the same reference for a check of float64."""
        return KnownPoints(self.reference.function, np.float64, self.seed)
