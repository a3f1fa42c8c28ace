"""The call that is recorded: what it can reach, before it is made and afterwards."""
