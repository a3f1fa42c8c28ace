"""The program `handgrad`, also started by `python -m handgrad`."""

import os
import signal
import sys

import handgrad
from handgrad.cli.exit_codes import INTERRUPTED

__all__ = ["main"]


def main() -> None:
    """Print the version, or load the command line and run it."""
    if sys.argv[1:] == ["--version"]:
        print(f"handgrad {handgrad.__version__}")
        return
    # Loading takes a while and needs no cleaning up. Without this, Ctrl-C in an import would print a
    # traceback.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from handgrad.cli.main import main as run_command

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command()


if __name__ == "__main__":
    main()
