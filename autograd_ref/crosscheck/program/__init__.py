"""Judge anybody's call: record it, find its loss and gradients, hold them against its own forward pass."""
