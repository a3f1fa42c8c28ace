"""Check rules of differentiation for JAX or PyTorch against the functions that they belong to."""
