"""Check a hand-written gradient against a JAX function."""
