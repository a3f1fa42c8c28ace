"""Reports on a check, for readers and programs: text, tables, listings, JSON, HTML."""
