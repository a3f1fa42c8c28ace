"""The reference: the loss of `handgrad` in JAX, its automatic gradient, and the checker.

The public names, and JAX, are loaded when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograd_ref.crosscheck.function.check import assert_gradients, check_gradients
    from autograd_ref.crosscheck.network.check import assert_network_gradients, check_network
    from autograd_ref.crosscheck.program.check import assert_call, check_call
    from autograd_ref.crosscheck.reports.report import NotJudged, Report
    from autograd_ref.crosscheck.rules.check import assert_rule, check_rule

__all__ = [
    "NotJudged",
    "Report",
    "assert_call",
    "assert_gradients",
    "assert_network_gradients",
    "assert_rule",
    "check_call",
    "check_gradients",
    "check_network",
    "check_rule",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autograd_ref.crosscheck.function import check as function
    from autograd_ref.crosscheck.network import check as network
    from autograd_ref.crosscheck.program import check as program
    from autograd_ref.crosscheck.reports import report
    from autograd_ref.crosscheck.rules import check as rules

    modules = (report, function, network, program, rules)
    return next(getattr(module, name) for module in modules if hasattr(module, name))
