"""Check every `torch.autograd.Function` against its own forward pass."""
