"""Parametrizations of which a few run always and the rest with the slow tests."""

from collections.abc import Iterable
from typing import Any

import pytest


def some_quick(cases: Iterable[Any], quick: int = 1) -> list[Any]:
    """All cases, spread evenly over them a number of quick ones; the others are marked slow."""
    cases = list(cases)
    chosen = {k * len(cases) // quick for k in range(quick)}
    return [
        each if i in chosen else pytest.param(each, marks=pytest.mark.slow) for i, each in enumerate(cases)
    ]
