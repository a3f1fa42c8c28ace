"""How XLA compiles for this project, and what is kept of it from one command to the next."""
