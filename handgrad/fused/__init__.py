"""The same mathematics in one allocation-free step."""
