"""Hold a hand-written gradient against the automatic one, and say which quantity is wrong, and why."""
