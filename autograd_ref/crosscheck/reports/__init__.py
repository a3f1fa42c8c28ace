"""What a check found, for a reader and for a program: text, tables, listings, JSON, HTML."""
