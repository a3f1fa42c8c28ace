"""The catalogue of mistakes, and its replay."""
