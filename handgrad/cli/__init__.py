"""The command line, a file for each command: the one room that sees both sides."""
