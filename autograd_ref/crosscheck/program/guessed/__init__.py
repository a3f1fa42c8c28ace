"""Calls for code that nobody told us how to call, written down as the expression that `--call` takes."""
