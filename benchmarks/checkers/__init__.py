"""The checkers side by side, and the proof of the bounds."""
