"""One training run: its settings, state, directory, pictures."""
