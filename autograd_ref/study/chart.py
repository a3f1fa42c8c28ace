"""Line charts as SVG that takes its colours from the page and its words in every language."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

__all__ = ["Axis", "Line", "chart"]

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 40


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        low: its lower end; an exponent of ten if ``log``.
        high: its upper end.
        ticks: where it is labelled.
        label: what it shows, as SVG in every language; None for nothing.
        log: whether it is logarithmic.
    """

    low: float
    high: float
    ticks: Sequence[float]
    label: Markup | None = None
    log: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """Values as parts of the axis."""
        with np.errstate(divide="ignore"):
            at = np.log10(values) if self.log else np.asarray(values, float)
        placed: np.ndarray = (np.clip(at, self.low, self.high) - self.low) / (self.high - self.low)
        return placed

    def shown(self, tick: float) -> Markup:
        """A tick's label."""
        if not self.log:
            return Markup("{}").format(f"{tick:g}".replace("-", "−"))
        power = f"{tick:g}".replace("-", "−")
        return Markup('10<tspan dy="-5" font-size="8">{}</tspan>').format(power)


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        x: where.
        y: what; what is not finite is left out.
        css: its class.
        label: written beside it, as SVG in every language; None for nothing.
        at: the index of the point where it is written.
        above: how far above that point.
    """

    x: np.ndarray
    y: np.ndarray
    css: str
    label: Markup | None = None
    at: int = -1
    above: float = 6.0


def chart(x: Axis, y: Axis, lines: Sequence[Line], *, width: int = 420, height: int = 300) -> Markup:
    """A chart, to be put into an ``svg`` element with the view box ``0 0 width height``.

    Args:
        x: the horizontal axis.
        y: the vertical axis.
        lines: the curves, the last on top.
        width: of the whole.
        height: of the whole.

    Returns:
        The elements.
    """
    inner_width, inner_height = width - LEFT - RIGHT, height - TOP - BOTTOM

    def across(values: Sequence[float] | np.ndarray) -> np.ndarray:
        at: np.ndarray = LEFT + inner_width * x.place(np.asarray(values, float))
        return at

    def down(values: Sequence[float] | np.ndarray) -> np.ndarray:
        at: np.ndarray = TOP + inner_height * (1 - y.place(np.asarray(values, float)))
        return at

    parts = []
    for tick in x.ticks:
        at = across([10.0**tick if x.log else tick])[0]
        parts.append(_tick(at, TOP, at, height - BOTTOM, at, height - BOTTOM + 15, "middle", x.shown(tick)))
    for tick in y.ticks:
        at = down([10.0**tick if y.log else tick])[0]
        parts.append(_tick(LEFT, at, width - RIGHT, at, LEFT - 5, at + 4, "end", y.shown(tick)))
    if x.label:
        parts.append(
            Markup('<g class="axis" text-anchor="middle" transform="translate({},{})">{}</g>').format(
                LEFT + inner_width / 2, height - 6, x.label
            )
        )
    if y.label:
        parts.append(
            Markup(
                '<g class="axis" text-anchor="middle" transform="translate(11,{}) rotate(-90)">{}</g>'
            ).format(TOP + inner_height / 2, y.label)
        )
    for line in lines:
        seen = np.isfinite(line.y)
        px, py = across(line.x[seen]), down(line.y[seen])
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(line.css, path))
        if line.label is not None:
            right = px[line.at] > LEFT + inner_width / 2
            parts.append(
                Markup(
                    '<g class="label {}" text-anchor="{}" transform="translate({:.1f},{:.1f})">{}</g>'
                ).format(
                    line.css,
                    "end" if right else "start",
                    px[line.at] + (-2 if right else 2),
                    py[line.at] - line.above,
                    line.label,
                )
            )
    return Markup("").join(parts)


def _tick(
    x1: float, y1: float, x2: float, y2: float, at_x: float, at_y: float, anchor: str, label: Markup
) -> Markup:
    return Markup(
        '<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
        '<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>'
    ).format(x1, y1, x2, y2, at_x, at_y, anchor, label)
