"""The parts of a function in the zoo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Hand = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Entry:
    """One function, a point where it is hard to judge, and correct ways to write its gradient.

    Attributes:
        name: name in the table.
        loss: the JAX reference, ``loss(params, *args)``.
        example: ``example(rng) -> (params, *args)``, in float64.
        right: hands ``(params, *args) -> (loss, grads)`` whose gradients are right, written differently.
        wrong: hands with typical mistakes in this function, by name.
        precise: the index in `right` of a hand that also works in NumPy's longdouble; its gradient there is
            the right one.
        value: the loss in mpmath numbers, ``(params, *args)`` with object arrays, if the loss of `precise`
            does not resolve small steps.
        stopped: whether `value` takes one more argument, the parameters at which a stopped part is held.
        interval: if a tie or kink leaves the derivative open, ``(params, *args) -> (low, high)``, each in
            the structure of params: every value between them is right. Elsewhere both are the gradient.
        shares: if several entries tie, ``(params, *args) -> [(leaf, mask, total)]``: the entries of the
            mask in a leaf (counted in JAX's order) must sum to the total.
        dead: whether nothing flows into any gradient, so that it cannot be judged.
        misled: whether the reference itself has a wrong rule; then only wrong hands are checked.
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
