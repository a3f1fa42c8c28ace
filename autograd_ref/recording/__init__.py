"""A program's own forward pass as its reference: arrays that record, the tape, its replay and adjoints."""
