"""Which number is the loss, what may be a gradient, and which gradient belongs to what."""
