"""How far rounding may move the gradients of a recorded loss, and their differences of plain runs."""

from autograd_ref.recording.bounds.difference import difference
from autograd_ref.recording.bounds.measure import Bounds, LeafBound, measure

__all__ = ["Bounds", "LeafBound", "difference", "measure"]
