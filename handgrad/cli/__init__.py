"""The command line, with one file per command; the only part of `handgrad` that imports `autograd_ref`."""
