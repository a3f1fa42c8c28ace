"""Guessed calls for code without a given call, written as expressions for `--call`."""
