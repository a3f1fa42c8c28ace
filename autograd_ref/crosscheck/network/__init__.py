"""Check anybody's two-layer network."""
