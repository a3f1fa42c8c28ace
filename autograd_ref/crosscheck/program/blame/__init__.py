"""Name the line: which statement of a backward pass is wrong, and what should be there."""

from autograd_ref.crosscheck.program.blame.search import Found, blame

__all__ = ["Found", "blame"]
