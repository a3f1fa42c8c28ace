"""Find the loss and the possible gradients of a call, and assign each gradient to an array."""
