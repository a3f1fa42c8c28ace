"""Check a target in an interpreter of its own."""
