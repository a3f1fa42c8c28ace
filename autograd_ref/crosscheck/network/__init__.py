"""Check any two-layer network."""
