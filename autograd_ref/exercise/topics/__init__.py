"""One file per topic: a right forward and backward pass; its docstring describes the steps, in TOML."""
