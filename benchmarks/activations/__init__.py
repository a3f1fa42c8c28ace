"""The activations compared."""
