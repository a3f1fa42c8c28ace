"""Judge anybody's call: record it, find its loss and its gradients, and hold them against its own forward pass."""
