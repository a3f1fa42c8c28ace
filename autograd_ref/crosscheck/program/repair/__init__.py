"""Find a repair of a wrong gradient: change one thing, run the program, and judge it again."""
