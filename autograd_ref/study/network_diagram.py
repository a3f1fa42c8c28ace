"""The picture of the network: a node for each quantity, an edge for each thing that leads to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_ref.study.source import Step

__all__ = ["Edge", "Node", "Picture", "draw"]

# Where each quantity stands: how far along the way forward, and in which lane. Parameters above, values in
# the middle, adjoints below each value, gradients at the bottom.
PLACES = {
    "X": (50, 125), "W1": (130, 50), "b1": (210, 50), "z1": (210, 125), "h1": (340, 125),
    "W2": (400, 50), "b2": (480, 50), "scores": (480, 125), "y": (640, 50),
    "probs": (640, 200), "data_loss": (640, 125), "loss": (765, 125),
    "dscores": (480, 215), "dh1": (340, 215), "dz1": (210, 215),
    "dW2": (400, 290), "db2": (480, 290), "dW1": (130, 290), "db1": (210, 290),
}  # fmt: skip
LENGTH, DEPTH = 820, 330
# The lanes of the upright picture, which is narrow and has its adjoints on the right.
LANES = {50: 42, 125: 140, 200: 245, 215: 245, 290: 332}
UPRIGHT_LENGTH, UPRIGHT_DEPTH = 800, 374
HALF_HEIGHT = 16
# What reg leads to is everybody's business; drawn, it would be an edge to half of the nodes.
UNDRAWN = ("reg",)


@dataclass(frozen=True)
class Node:
    """A quantity's box: its centre, half of its width, and what it is."""

    name: str
    shown: str
    x: float
    y: float
    half_width: float
    kind: str


@dataclass(frozen=True)
class Edge:
    """An arrow: the step that it belongs to, its ends, its path and whether an adjoint flows along it."""

    step: int
    start: str
    end: str
    path: str
    backward: bool


@dataclass(frozen=True)
class Picture:
    """Nodes and edges in a box of this size."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def draw(steps: Sequence[Step], *, upright: bool = False) -> Picture:
    """Lay the network out.

    Args:
        steps: whose targets and operands are the nodes, and whose leads are the edges.
        upright: from top to bottom, for narrow screens, instead of from left to right.

    Returns:
        The picture.

    Raises:
        ValueError: a quantity has no place.
    """
    names = dict.fromkeys(name for step in steps for name in (*step.operands, *step.targets))
    missing = [name for name in names if name not in PLACES and name not in UNDRAWN]
    if missing:
        raise ValueError(f"autograd_ref/study/network_diagram.py has no place for {', '.join(missing)}")
    places = {name: _turned(*PLACES[name]) if upright else PLACES[name] for name in names if name in PLACES}
    adjoints = {name for step in steps if step.backward for name in step.targets}
    given = names.keys() - {name for step in steps for name in step.targets}

    nodes = [
        Node(name, name.replace("_", " "), x, y, _half_width(name), _kind(name, adjoints, given))
        for name, (x, y) in places.items()
    ]
    edges = [
        Edge(number, start, end, _arrow(start, end, places), start in adjoints)
        for number, step in enumerate(steps)
        for end, leads in step.leads.items()
        for start in leads
        if start in places and start != end
    ]
    width, height = (UPRIGHT_DEPTH, UPRIGHT_LENGTH) if upright else (LENGTH, DEPTH)
    return Picture(width, height, tuple(nodes), tuple(edges))


def _kind(name: str, adjoints: set[str], given: set[str]) -> str:
    return "adjoint" if name in adjoints else "given" if name in given else "value"


def _turned(x: int, y: int) -> tuple[float, float]:
    return LANES[y], x


def _half_width(name: str) -> float:
    return max(33.0, 4.4 * len(name) + 5)


def _arrow(start: str, end: str, places: Mapping[str, tuple[float, float]]) -> str:
    """From the edge of one box to that of another, bowed a little where it is long."""
    (x, y), (to_x, to_y) = places[start], places[end]
    dx, dy = to_x - x, to_y - y
    bow = 0.0 if np.hypot(dx, dy) < 170 else 0.12
    middle = ((x + to_x) / 2 + bow * dy, (y + to_y) / 2 - bow * dx)
    x1, y1 = _border(places[start], _half_width(start), middle, 2)
    x2, y2 = _border(places[end], _half_width(end), middle, 7)
    return f"M{x1:.1f},{y1:.1f} Q{middle[0]:.1f},{middle[1]:.1f} {x2:.1f},{y2:.1f}"


def _border(
    centre: tuple[float, float], half_width: float, towards: tuple[float, float], gap: float
) -> tuple[float, float]:
    """Where the line from a box's centre leaves the box, and a gap further."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = min(
        (half_width + gap) / abs(dx) if dx else float("inf"),
        (HALF_HEIGHT + gap) / abs(dy) if dy else float("inf"),
    )
    return centre[0] + scale * dx, centre[1] + scale * dy
