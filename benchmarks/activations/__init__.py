"""The comparison of activation functions."""
