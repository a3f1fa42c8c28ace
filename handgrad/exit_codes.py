"""What every command tells its caller by its exit code."""

import signal

__all__ = ["AGREE", "BAD_INPUT", "INTERRUPTED", "WRONG"]

AGREE = 0
WRONG = 1  # a gradient is wrong, or training diverged
BAD_INPUT = 2
INTERRUPTED = 128 + signal.SIGINT
