"""How often the checker names the very line in which a mistake was planted."""
