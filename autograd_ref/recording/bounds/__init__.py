"""Bounds on rounding in the gradients of a recorded loss, and finite differences of plain runs."""

from autograd_ref.recording.bounds.difference import difference
from autograd_ref.recording.bounds.measure import Bounds, LeafBound, measure

__all__ = ["Bounds", "LeafBound", "difference", "measure"]
