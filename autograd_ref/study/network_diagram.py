"""The picture of the network: a node for each quantity, and an edge for each dependence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_ref.study.source import Step

__all__ = ["SEED", "Cell", "Edge", "Node", "Picture", "draw"]

# The place of each quantity: its distance along the way from the inputs to the loss, and its lane. The lanes
# are parameters, values, adjoints, gradients.
PLACES = {
    "X": (30, 162), "W1": (42, 50), "b1": (122, 50), "z1": (112, 162), "h1": (190, 162),
    "W2": (245, 50), "b2": (315, 40), "scores": (315, 162), "y": (412, 50), "probs": (395, 224),
    "data_loss": (472, 162), "reg": (550, 50), "loss": (550, 162), "dloss": (550, 286),
    "dscores": (315, 286), "dh1": (245, 276), "dz1": (128, 282),
    "dW2": (188, 400), "db2": (315, 411), "dW1": (42, 400), "db1": (128, 400),
}  # fmt: skip

# Edges that would run behind a node pass through these places instead; None takes the end's own coordinate.
BEFORE, BEHIND, LEFT, RIGHT = -12, 594, -24, 476
BELOW = 608
DETOURS: dict[tuple[str, str], tuple[tuple[int | None, int | None], ...]] = {
    ("W1", "loss"): ((None, LEFT), (BEHIND, LEFT), (BEHIND, None)),
    ("W2", "loss"): ((None, LEFT), (BEHIND, LEFT), (BEHIND, None)),
    ("W1", "dW1"): ((BEFORE, None), (BEFORE, None)),
    ("reg", "dW2"): ((BELOW, None), (BELOW, RIGHT), (None, RIGHT)),
    ("reg", "dW1"): ((BELOW, None), (BELOW, RIGHT), (None, RIGHT)),
}

# The seed of the backward pass, ∂L/∂L = 1, which no step computes.
SEED = "dloss"
SEEDED = "dscores"

NAME_HEIGHT, ROW_HEIGHT, CELL_WIDTH, PADDING = 17, 12, 35, 4
MARGIN = 8
# A picture from left to right is longer and flatter than a picture from top to bottom.
STRETCH, FLATTEN = 1.74, 0.72


@dataclass(frozen=True)
class Cell:
    """An entry of a node's value: its index, and the position of its right end."""

    row: int
    column: int
    x: float
    y: float


@dataclass(frozen=True)
class Node:
    """A quantity's box: its centre, half of its width and height, its kind, and its entries."""

    name: str
    shown: str
    x: float
    y: float
    half_width: float
    half_height: float
    kind: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Edge:
    """An arrow: its step, its ends, its path, and whether an adjoint flows along it."""

    step: int
    start: str
    end: str
    points: tuple[tuple[float, float], ...]
    backward: bool

    @property
    def path(self) -> str:
        """The path in SVG's notation."""
        return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Picture:
    """Nodes and edges in a box of this size."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def draw(steps: Sequence[Step], *, upright: bool = False) -> Picture:
    """Lay the network out, from left to right or upright from top to bottom.

    The steps' targets and operands are the nodes, and dependences are the edges. Raise ValueError for a
    quantity without a place.
    """
    values: dict[str, Any] = {}
    for step in steps:
        values |= {name: step.before[name] for name in step.operands if name not in values}
        values |= step.made
    values[SEED] = 1.0
    missing = [name for name in values if name not in PLACES]
    if missing:
        raise ValueError(f"autograd_ref/study/network_diagram.py has no place for {', '.join(missing)}")
    adjoints = {SEED, *(name for step in steps if step.backward for name in step.targets)}
    given = values.keys() - {SEED} - {name for step in steps for name in step.targets}
    nodes = {
        name: _node(
            name, value, "adjoint" if name in adjoints else "given" if name in given else "value", upright
        )
        for name, value in values.items()
    }
    pairs = [
        (number, start, end)
        for number, step in enumerate(steps)
        for end, leads in step.leads.items()
        for start in (*leads, *((SEED,) if end == SEEDED else ()))
        if start != end
    ]
    edges = [
        Edge(number, start, end, _arrow(nodes[start], nodes[end], upright), start in adjoints)
        for number, start, end in pairs
    ]
    x, y = _place(BELOW, RIGHT, upright)
    return Picture(x + MARGIN, y + MARGIN, tuple(nodes.values()), tuple(edges))


def _place(along: float, lane: float, upright: bool) -> tuple[float, float]:
    """Return the position in the picture of a place between `BEFORE` and `BELOW`, `LEFT` and `RIGHT`."""
    along, lane = along - BEFORE, lane - LEFT
    x, y = (lane, along) if upright else (STRETCH * along, FLATTEN * lane)
    return x + MARGIN, y + MARGIN


def _node(name: str, value: Any, kind: str, upright: bool) -> Node:
    rows, columns = np.atleast_2d(np.asarray(value)).shape
    shown = "∂L/∂L" if name == SEED else name.replace("_", " ")
    half_width = max(7.8 * len(shown), CELL_WIDTH * columns) / 2 + PADDING
    height = NAME_HEIGHT + ROW_HEIGHT * rows + PADDING
    x, y = _place(*PLACES[name], upright)
    right = CELL_WIDTH * columns / 2
    cells = tuple(
        Cell(
            i,
            j,
            right - CELL_WIDTH * (columns - 1 - j) - 2,
            NAME_HEIGHT + ROW_HEIGHT * (i + 0.75) - height / 2,
        )
        for i in range(rows)
        for j in range(columns)
    )
    return Node(name, shown, x, y, half_width, height / 2, kind, cells)


def _arrow(start: Node, end: Node, upright: bool) -> tuple[tuple[float, float], ...]:
    """Return the path from the border of one box to the border of another, around boxes in between."""
    by = DETOURS.get((start.name, end.name), ())
    ends = (start.name,) * (len(by) - len(by) // 2) + (end.name,) * (len(by) // 2)
    corners = []
    for (along, lane), near in zip(by, ends, strict=True):
        own_along, own_lane = PLACES[near]
        corners.append(
            _place(own_along if along is None else along, own_lane if lane is None else lane, upright)
        )
    first = corners[0] if corners else (end.x, end.y)
    last = corners[-1] if corners else (start.x, start.y)
    return (_border(start, first, 1), *corners, _border(end, last, 6))


def _border(node: Node, towards: tuple[float, float], gap: float) -> tuple[float, float]:
    """Return the point where the line from a box's centre leaves the box, moved outwards by a gap."""
    dx, dy = towards[0] - node.x, towards[1] - node.y
    scale = min(
        (node.half_width + gap) / abs(dx) if dx else float("inf"),
        (node.half_height + gap) / abs(dy) if dy else float("inf"),
    )
    return node.x + scale * dx, node.y + scale * dy
