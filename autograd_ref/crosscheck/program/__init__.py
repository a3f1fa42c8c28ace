"""Judge any call: record it, find its loss and gradients, and compare them with its own forward pass."""
