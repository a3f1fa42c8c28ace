"""The source of a recorded call, with what each line computes."""
