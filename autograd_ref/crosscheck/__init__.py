"""Hold a hand-written gradient against the automatic one, and say which quantity is wrong, and why."""

from autograd_ref.crosscheck.function.check import assert_gradients, check_gradients
from autograd_ref.crosscheck.network.check import assert_network_gradients, check_network
from autograd_ref.crosscheck.report import NotJudged, Report

__all__ = [
    "NotJudged",
    "Report",
    "assert_gradients",
    "assert_network_gradients",
    "check_gradients",
    "check_network",
]
