"""Name the wrong line: find the wrong statement of a backward pass, and the right one."""

from autograd_ref.crosscheck.program.blame.search import Found, blame

__all__ = ["Found", "blame"]
