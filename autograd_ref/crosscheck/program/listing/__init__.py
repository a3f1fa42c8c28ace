"""The source of a recorded call, with an explanation of what each line computes."""

from autograd_ref.crosscheck.program.listing.rows import listing_of

__all__ = ["listing_of"]
