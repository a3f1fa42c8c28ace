"""The study page: two derivations of one network, side by side, in one file."""

from autograd_ref.study.page import write_page

__all__ = ["write_page"]
