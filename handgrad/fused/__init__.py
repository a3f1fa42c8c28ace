"""The network's mathematics as one training step without allocations."""
