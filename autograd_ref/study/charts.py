"""The page's charts: the V of the finite differences, and the activations."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from autograd_ref.study.chart import Axis, Line, chart
from autograd_ref.study.language import Words
from autograd_ref.study.source import read_function
from autograd_ref.study.witnesses import Witnesses
from handgrad.activations import ACTIVATIONS

__all__ = ["ActivationChart", "activation_charts", "witness_chart"]

BELOW = -16.0  # where a label stands that its line's place has no room for above


def witness_chart(witnesses: Witnesses, words: Words) -> Markup:
    """The finite differences' error against their step size, with the two derivations' errors.

    Args:
        witnesses: in one dtype.
        words: for the labels.

    Returns:
        What stands in an ``svg`` of 420×320.
    """
    steps = witnesses.steps
    ends = np.array([steps[0], steps[-1]])
    lowest = min(witnesses.hand, witnesses.automatic)
    low = float(np.floor(np.log10(lowest)) - 2)
    x = Axis(
        float(np.log10(steps[0])),
        0.0,
        range(round(np.log10(steps[0])), 1, 2),
        words.svg("witnesses.step_size"),
        log=True,
    )
    y = Axis(
        low,
        1.0,
        range(-16 if low < -12 else -8, 1, 4 if low < -12 else 2),
        words.svg("witnesses.error"),
        log=True,
    )
    level = {
        "hand": Line(ends, np.full(2, witnesses.hand), "hand", words.svg("witnesses.hand"), 0),
        "machine": Line(
            ends, np.full(2, witnesses.automatic), "machine", words.svg("witnesses.automatic"), 0
        ),
    }
    lower = "hand" if witnesses.hand < witnesses.automatic else "machine"
    level[lower] = replace(level[lower], above=BELOW)
    differences = words.svg("witnesses.differences")
    curve = Line(steps, witnesses.differences, "difference", differences, witnesses.best, BELOW)
    lines = [*level.values(), curve]
    return chart(x, y, lines, height=320)


class ActivationChart(NamedTuple):
    """An activation function and its derivative: the derivation, definition first, and the picture."""

    name: str
    derivation: tuple[str, ...]
    picture: Markup


def activation_charts() -> list[ActivationChart]:
    """Every activation that `handgrad.activations` has, in its order."""
    z = np.linspace(-4, 4, 161)
    x, y = Axis(-4, 4, (-4, -2, 0, 2, 4)), Axis(-1.2, 2.2, (-1, 0, 1, 2))
    found = []
    for name, (function, derivative) in ACTIVATIONS.items():
        lines = [Line(z, _cut(function(z)), "value"), Line(z, derivative(z), "slope")]
        derivation = (*read_function(function).derivation, *read_function(derivative).derivation)
        picture = chart(x, y, lines, width=240, height=190)
        found.append(ActivationChart(name, derivation, picture))
    return found


def _cut(values: Any) -> Any:
    """What leaves the picture at the top is not drawn along its edge."""
    return np.where(np.abs(values) <= 2.2, values, np.nan)
