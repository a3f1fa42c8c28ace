"""One file a topic: a right forward and backward pass; its docstring, in TOML, says what is filled in."""
