"""Check a target in a separate interpreter."""
