"""A sweep beside its peers."""
