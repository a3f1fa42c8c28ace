"""Traced functions: as steps of NumPy, or compiled by XLA, with a cache that later commands use."""
