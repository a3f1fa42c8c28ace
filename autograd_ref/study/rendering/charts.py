"""The contents of the page's charts. The templates draw them as SVG, in the colours of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from autograd_ref.study.rendering.language import Words
from autograd_ref.study.source import read_function
from autograd_ref.study.speed import Speed
from autograd_ref.study.witnesses import Witnesses
from handgrad.activations import ACTIVATIONS

__all__ = ["ActivationChart", "Chart", "activation_charts", "speed_chart", "training_chart", "witness_chart"]

ABOVE, BELOW = 6.0, -16.0  # distance of a label above its line, or, if there is no room, below
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 10, 42
BARE_LEFT = 34  # if the vertical axis has no title


@dataclass(frozen=True)
class Axis:
    """One axis; with ``log``, its ends and ticks are exponents of ten. Its label is SVG in every language."""

    low: float
    high: float
    ticks: Sequence[float]
    label: Markup | None = None
    log: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return values as fractions of the axis."""
        with np.errstate(divide="ignore"):
            at = np.log10(values) if self.log else np.asarray(values, float)
        placed: np.ndarray = (np.clip(at, self.low, self.high) - self.low) / (self.high - self.low)
        return placed

    def place_of(self, tick: float) -> float:
        """Return a tick as a fraction of the axis."""
        return float(self.place(np.array(10.0**tick if self.log else tick)))


@dataclass(frozen=True)
class Line:
    """A curve without points that are not finite.

    Attributes:
        css: its class.
        label: the label beside it, as SVG in every language; None for no label.
        at: the index of the point beside which it is written.
        above: its distance above this point.
    """

    x: np.ndarray
    y: np.ndarray
    css: str
    label: Markup | None = None
    at: int = -1
    above: float = ABOVE


@dataclass(frozen=True)
class Chart:
    """Two axes with curves, the last on top; the templates' macro `chart` draws it."""

    x: Axis
    y: Axis
    lines: Sequence[Line]
    width: int = 420
    height: int = 300
    top = TOP

    @property
    def left(self) -> int:
        """The left end of the horizontal axis."""
        return LEFT if self.y.label else BARE_LEFT

    @property
    def right(self) -> int:
        """The right end of the horizontal axis."""
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        """The lower end of the vertical axis."""
        return self.height - BOTTOM

    def across(self, part: Any) -> Any:
        """Return the positions of fractions of the horizontal axis."""
        return self.left + (self.right - self.left) * part

    def down(self, part: Any) -> Any:
        """Return the positions of fractions of the vertical axis."""
        return self.top + (self.bottom - self.top) * (1 - part)

    def points(self, line: Line) -> list[tuple[float, float]]:
        """Return the positions of a curve's points."""
        seen = np.isfinite(line.y)
        across, down = self.across(self.x.place(line.x[seen])), self.down(self.y.place(line.y[seen]))
        return list(zip(across.tolist(), down.tolist(), strict=True))


def witness_chart(witnesses: Witnesses, words: Words) -> Chart:
    """Draw the finite differences' error against their step size, beside the errors of both derivations."""
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
    levels = (("hand", "hand", witnesses.hand), ("machine", "automatic", witnesses.automatic))
    lines = []
    for css, who, error in levels:
        above = BELOW if error == lowest else ABOVE
        lines.append(Line(ends, np.full(2, error), css, words.svg(f"witnesses.{who}"), 0, above))
    differences = words.svg("witnesses.differences")
    lines.append(Line(steps, witnesses.differences, "difference", differences, witnesses.best, BELOW))
    return Chart(x, y, lines, height=320)


class ActivationChart(NamedTuple):
    """An activation function with its derivation, beginning with its definition, and its picture."""

    name: str
    derivation: tuple[str, ...]
    picture: Chart


def activation_charts() -> list[ActivationChart]:
    """Return the charts of all activations, in the order of `handgrad.activations`."""
    z = np.linspace(-4, 4, 161)
    x, y = Axis(-4, 4, (-4, -2, 0, 2, 4)), Axis(-1.2, 2.2, (-1, 0, 1, 2))
    found = []
    for name, (function, derivative) in ACTIVATIONS.items():
        lines = [Line(z, _cut(function(z)), "value"), Line(z, derivative(z), "slope")]
        derivation = (*read_function(function).derivation, *read_function(derivative).derivation)
        found.append(ActivationChart(name, derivation, Chart(x, y, lines, width=240, height=190)))
    return found


def _cut(values: Any) -> Any:
    """Remove values above the picture, so that they are not drawn along its edge."""
    return np.where(np.abs(values) <= 2.2, values, np.nan)


def training_chart(losses: np.ndarray, mistaken: np.ndarray, words: Words) -> Chart:
    """Draw the true loss of a right network and a mistaken one, which may end early, against their steps."""
    top = float(np.clip(max(losses.max(), mistaken.max()), 1.25, 3.0))
    high = 3.0 if top > 2 else 2.0 if top > 1.25 else 1.25
    x = Axis(0, len(losses), range(0, len(losses) + 1, 25), words.svg("break.steps"))
    y = Axis(0, high, np.arange(0, high + 0.01, 0.5).tolist(), words.svg("break.true_loss"))
    lines = [
        Line(np.arange(len(losses)), losses, "right"),
        Line(np.arange(len(mistaken)), np.where(mistaken <= high, mistaken, np.nan), "mistaken"),
    ]
    return Chart(x, y, lines, height=230)


def speed_chart(speed: Speed, words: Words) -> Chart:
    """Draw the time of a training step against the width, for each contender."""
    hidden = np.array(speed.hidden, float)
    times = np.array(list(speed.steps.values()))
    low, high = np.floor(np.log10(times.min())), np.ceil(np.log10(times.max()) * 2) / 2
    x = Axis(
        float(np.log10(hidden[0])) - 0.05,
        float(np.log10(hidden[-1])) + 0.05,
        (2, 3),
        words.svg("speed.width"),
        log=True,
    )
    y = Axis(
        float(low), float(high), range(int(low), int(high) + 1), words.svg("speed.milliseconds"), log=True
    )
    lines = [
        Line(hidden, np.array(values), f"contender-{number}")
        for number, values in enumerate(speed.steps.values())
    ]
    return Chart(x, y, lines, width=640, height=360)
