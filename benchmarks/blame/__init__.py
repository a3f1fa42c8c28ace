"""Measure how often the checker names the line in which a mistake was planted."""
