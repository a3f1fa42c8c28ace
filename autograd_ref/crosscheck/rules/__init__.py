"""Check rules of differentiation, written for JAX or PyTorch, against the functions that they belong to."""
