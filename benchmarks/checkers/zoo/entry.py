"""What a function of the zoo consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Hand = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Entry:
    """One function, a place where it is hard, and honest ways to write its gradient.

    Attributes:
        name: what it is called in the table.
        loss: the JAX reference, ``loss(params, *args)``.
        example: ``example(rng) -> (params, *args)``, in float64.
        right: hands ``(params, *args) -> (loss, grads)`` whose gradients are right, written differently.
        wrong: mistakes that people make in this very function, by name; hands as well.
        precise: which of `right` works in NumPy's longdouble too; its gradient there is the right one.
        value: the loss in mpmath's numbers, ``(params, *args)`` with object arrays, where the loss of
            `precise` does not resolve small steps.
        stopped: whether `value` takes one more argument, the parameters at which a stopped part is held.
        interval: where a tie or kink leaves the derivative open, ``(params, *args) -> (low, high)``, each in
            the structure of params: between them every value is right. Elsewhere both are the gradient.
        shares: where several entries tie, ``(params, *args) -> [(leaf, mask, total)]``: the entries of the
            mask in a leaf (counted in JAX's order) must sum to the total.
        dead: whether nothing flows into any gradient, so that nobody can judge it.
        misled: whether the reference itself has a wrong rule; only wrong hands are put to the checker.
        options: more arguments of `check_gradients`.
    """

    name: str
    loss: Callable[..., Any]
    example: Callable[[np.random.Generator], tuple[Any, ...]]
    right: tuple[Hand, ...]
    wrong: Mapping[str, Hand] = field(default_factory=dict)
    precise: int = 0
    value: Callable[..., Any] | None = None
    stopped: bool = False
    interval: Callable[..., tuple[Any, Any]] | None = None
    shares: Callable[..., Sequence[tuple[int, Any, float]]] | None = None
    dead: bool = False
    misled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
