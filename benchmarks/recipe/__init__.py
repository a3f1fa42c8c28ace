"""The time of training to an accuracy."""
