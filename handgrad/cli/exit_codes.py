"""The exit codes of all commands."""

import signal

__all__ = ["BAD_INPUT", "FAILED", "INTERRUPTED", "OK"]

OK = 0
FAILED = 1  # a gradient is wrong, or training diverged
BAD_INPUT = 2
INTERRUPTED = 128 + signal.SIGINT
