"""The points of a sweep: a grid over a few settings, and the stacks of points that are trained together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from handgrad.runs.config import Config
from handgrad.validation import check_positive_int

__all__ = ["AXES", "Grid", "format_value", "network_of", "network_steps", "parse_axis", "stackable"]

# The settings that a sweep may vary, and their types.
AXES: dict[str, type] = {
    "hidden": int,
    "activation": str,
    "reg": float,
    "lr": float,
    "iters": int,
}

# Largest number of hidden units in a stack: more would not speed up its GEMMs, and a killed sweep would lose
# more.
STACK_UNITS = 2560
# Significant digits of a number in a range, so that 0.03 is not 0.030000000000000002.
DIGITS = 12

RANGE = "FIRST:LAST:COUNT[:log]"


def parse_axis(name: str, text: str) -> tuple[Any, ...]:
    """Read the values of one of the `AXES` from the command line.

    The text lists values separated by commas, or is a range ``first:last:count`` that includes both ends. The
    values of a range are evenly spaced, with ``:log`` on a logarithmic scale. Whole numbers are rounded.

    Raises:
        ValueError: the text is neither, or two values are equal.
    """
    kind = AXES[name]
    given = _range(name, text) if ":" in text else [_number(name, word, kind) for word in text.split(",")]
    values = tuple(round(value) if kind is int else value for value in given)
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{name} {text} has {value} more than once")
    return values


def _range(name: str, text: str) -> list[Any]:
    parts = text.split(":")
    if len(parts) not in (3, 4) or parts[3:] not in ([], ["log"]) or not _numeric(name):
        what = f"values separated by commas, or {RANGE}" if _numeric(name) else "values separated by commas"
        raise ValueError(f"{name} must be {what}, not {text}")
    first, last = (_number(name, end, float) for end in parts[:2])
    count = check_positive_int(f"the count of {name} {text}", _number(name, parts[2], int))
    if count == 1 and first != last:
        raise ValueError(f"{name} {text} has two ends and cannot have one value")
    if parts[3:] and min(first, last) <= 0:
        raise ValueError(f"{name} {text} is logarithmic, and both ends must be above 0")
    values = np.geomspace(first, last, count) if parts[3:] else np.linspace(first, last, count)
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _numeric(name: str) -> bool:
    return AXES[name] is not str


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text.strip())
    except ValueError:
        wanted = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name} takes {wanted}, not {text!r}") from None


def format_value(value: Any, digits: int = 6) -> str:
    """Return the value of an axis as text, a number with this many significant digits."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Grid:
    """Every combination of the values of some axes, each trained with several seeds.

    A point is the `Config` of a training run; ``handgrad train`` with these settings gives the same result,
    because its network is drawn from its own seed.

    Attributes:
        base: the settings that all points share; its values on the axes and its seed are ignored.
        axes: the values of each axis, by the names in `AXES`.
        seeds: the number of seeds, 0, 1, ..., with which each combination is trained.

    Raises:
        TypeError, ValueError: a point's settings are wrong.
    """

    base: Config
    axes: Mapping[str, tuple[Any, ...]]
    seeds: int = 1

    def __post_init__(self) -> None:
        check_positive_int("seeds", self.seeds)
        _ = self.points

    @cached_property
    def points(self) -> tuple[Config, ...]:
        """All points; a combination's seeds are consecutive, and the last axis changes fastest."""
        return tuple(
            replace(self.base, **dict(zip(self.axes, values, strict=True)), seed=seed)
            for values in product(*self.axes.values())
            for seed in range(self.seeds)
        )

    @property
    def varied(self) -> tuple[str, ...]:
        """The axes that have more than one value."""
        return tuple(name for name, values in self.axes.items() if len(values) > 1)

    @cached_property
    def stacks(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the points that are trained together, the longest work first.

        Points with the same seed draw the same minibatches and are stacked in the order of the grid, up to
        `STACK_UNITS` hidden units. Points that differ only in ``iters`` are one network, evaluated several
        times, and count once. The stacks depend only on the grid, because each member influences the last
        bits of the others' results.
        """
        stacks: list[list[int]] = []
        for seed in range(self.seeds):
            networks: dict[Config, list[int]] = {}
            for number, point in enumerate(self.points):
                if point.seed == seed:
                    key = network_of(point) if stackable(point) else point
                    networks.setdefault(key, []).append(number)
            units = STACK_UNITS + 1  # the first network opens a stack
            for network, numbers in networks.items():
                units += network.hidden
                if units > STACK_UNITS or not stackable(network):
                    stacks.append([])
                    units = network.hidden
                stacks[-1] += numbers
        return tuple(sorted(map(tuple, stacks), key=self.work, reverse=True))

    def work(self, numbers: tuple[int, ...]) -> int:
        """Return the cost of training these points: hidden units times steps, each network counted once."""
        steps = network_steps(self.points[number] for number in numbers)
        return sum(network.hidden * iters for network, iters in steps.items())

    def to_json(self) -> dict[str, Any]:
        """Return the grid in a form that JSON can represent."""
        return {"base": self.base.to_json(), "axes": dict(self.axes), "seeds": self.seeds}

    @classmethod
    def from_json(cls, grid: Mapping[str, Any]) -> "Grid":
        """Return the grid from `to_json`; raise KeyError, TypeError or ValueError for anything else."""
        axes = {name: tuple(grid["axes"][name]) for name in AXES}
        return cls(Config.from_json(grid["base"]), axes, grid["seeds"])


def stackable(config: Config) -> bool:
    """Return whether training with these settings can be stacked: no momentum, no dropout."""
    return not config.momentum and not config.dropout


def network_of(config: Config) -> Config:
    """Return the same key for all points that are one network, evaluated after different numbers of steps.

    With the schedule "cosine", every step depends on the total number, so each point is a separate network.
    """
    return replace(config, iters=1) if config.schedule == "decay" else config


def network_steps(points: Iterable[Config]) -> dict[Config, int]:
    """Return the networks of these points, by `network_of`, each with the most steps it must take."""
    steps: dict[Config, int] = {}
    for point in points:
        network = network_of(point)
        steps[network] = max(steps.get(network, 0), point.iters)
    return steps
