"""A target of the command line that is a rule, or calls some, and the origin of its arguments."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from types import ModuleType
from typing import Any

import jax
import numpy as np

from autograd_ref.crosscheck.program.calling.caught import catch, seeded
from autograd_ref.crosscheck.program.calling.target import example_of
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.find import Untraceable, find_uses, is_rule
from autograd_ref.crosscheck.rules.jax_calls import check_against, check_jax_calls
from autograd_ref.crosscheck.rules.pytorch.calls import check_torch_calls, function_of
from autograd_ref.crosscheck.rules.pytorch.find import find_torch_uses
from autograd_ref.crosscheck.rules.pytorch.tensors import torch
from autograd_ref.crosscheck.rules.returned import check_returned, count_differentiated
from autograd_ref.crosscheck.rules.whole_call import find_calls

__all__ = ["check_rule_target"]

Call = tuple[Sequence[Any], Mapping[str, Any]]


def check_rule_target(
    value: Any,
    module: ModuleType,
    file: str,
    request: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    met: Call | None = None,
) -> Report | None:
    """Judge a target that is a rule, or a function of JAX or PyTorch code that calls some.

    Args:
        value: the target.
        module: its module.
        file: file of the module.
        request: the request of the command line, as in `isolated.child`.
        reference: a function with the same arguments to compare a rule with; None for the rule's own.
        met: the arguments of a call that the program makes itself; the only one then.

    Returns:
        The report; None if the target is neither, and must be judged in another way.

    Raises:
        NotJudged: the target cannot be judged; the message says why.
    """
    recorded, spec = request["recorded"], request["target"]
    name = spec.rpartition(":")[2]
    named = function_of(value) is not None or is_rule(value)
    if not named and (reference is not None or not _may_call_rules(value, module)):
        return None
    asked = Asked(
        spec, request["dtype"], request["seed"], recorded["points"], request["surrogate"],
        request["tolerance"], file, recorded["call"],
    )  # fmt: skip
    calls = _Calls(value, module, file, name, asked, recorded["nth"], met)
    if not named:
        if any(recorded[other] for other in ("loss", "backward", "of")) or not calls.are_given:
            return None
        returned = _returned(value, calls, asked)
        if not _calls_rules(value, calls, asked, inside=returned is None):
            return returned
    else:
        returned = None
    _refuse(recorded)
    given = calls.all()
    if torch() is not None and (
        function_of(value) is not None or (not is_rule(value) and _is_torch(given[0], value))
    ):
        return check_torch_calls(value, given, asked, reference)
    if reference is not None:
        return check_against(value, reference, given, asked)
    report = check_jax_calls(value, given, asked)
    return report if returned is None or returned.ok else _beside(report, returned)


def _beside(report: Report, returned: Report) -> Report:
    """Return the report on rules, for a call whose results after the loss look like gradients but are not."""
    text = (
        "The results of the call after its first value have the shapes of its arguments, but are not the "
        f"gradient: {returned.first_wrong or 'not judged'}. If they are not meant to be, judge the rules by "
        "a function that returns less."
    )
    signature = " ".join(filter(None, [report.signature, text]))
    return replace(report, ok=None if report.ok else report.ok, signature=signature)


class _Calls:
    """The calls of a target, by the number of the point."""

    def __init__(
        self,
        value: Any,
        module: ModuleType,
        file: str,
        name: str,
        asked: Asked,
        nth: int,
        met: Call | None,
    ) -> None:
        self.module, self.file, self.name, self.asked, self.nth = module, file, name, asked, nth
        head, _, self.last = name.rpartition(".")
        self.owner: Any = reduce(getattr, head.split("."), module) if head else module
        self.function = function_of(value)
        self.met, self.first = met, met

    @property
    def are_given(self) -> bool:
        """Whether it is known how the target is called."""
        return self.met is not None or self.are_drawn

    @property
    def are_drawn(self) -> bool:
        """Whether a new call can be drawn for each point."""
        given = self.asked.call is not None or example_of(self.module, self.name) is not None
        return self.met is None and given

    def all(self) -> list[Call]:
        """Return a call for each point, or the only one."""
        return [self.at(number) for number in range(self.asked.points if self.are_drawn else 1)]

    def at(self, number: int) -> Call:
        """Return the call at a point."""
        if self.first is not None and (number == 0 or self.met is not None):
            return self.first
        rng = seeded(self.asked.seed, number)
        if torch() is not None:
            torch().manual_seed(int(rng.integers(2**31)))
        example = example_of(self.module, self.name)
        if self.asked.call is not None:
            made = self._caught(rng)
        elif example is None:
            raise NotJudged(f"a call is needed: write --call '{self.name}(...)'")
        else:
            drawn = getattr(self.module, example)(rng)
            if not isinstance(drawn, tuple | dict):
                raise NotJudged(
                    f"{example}(rng) must return a tuple, the call's arguments, not {type(drawn).__name__}"
                )
            made = ((), drawn) if isinstance(drawn, dict) else (drawn, {})
        self.first = self.first or made
        return made

    def _caught(self, rng: np.random.Generator) -> Call:
        space = {**vars(self.module), "np": np, "rng": rng}
        text = self.asked.call or ""
        alias = next((name for name in self._aliases() if f"{name}(" in text), None)
        if self.function is None or alias is not None:
            owner, name = (self.owner, self.last) if alias is None else (self.module, alias)
            call = catch(owner, name, text, space, self.file, self.nth)
            return call.args, call.kwargs
        inherited = "apply" not in vars(self.function)
        try:
            call = catch(self.function, "apply", text, space, self.file, self.nth)
        finally:
            if inherited and "apply" in vars(self.function):
                del self.function.apply
        return call.args[1:], call.kwargs

    def _aliases(self) -> list[str]:
        """Return the names of the module's aliases of a Function's ``apply``."""
        if self.function is None:
            return []
        held = vars(self.module).items()
        return [
            name for name, each in held if not inspect.isclass(each) and function_of(each) is self.function
        ]


def _may_call_rules(value: Any, module: ModuleType) -> bool:
    """Whether a function's module has imported JAX or PyTorch."""
    if not callable(value) or inspect.isclass(value):
        return False
    packages = {
        (
            getattr(each, "__name__", "") if inspect.ismodule(each) else str(getattr(each, "__module__", ""))
        ).split(".")[0]
        for each in vars(module).values()
    }
    return bool(packages & {"jax", "jaxlib", "torch", "optax", "flax", "equinox"})


def _calls_rules(value: Any, calls: _Calls, asked: Asked, inside: bool) -> bool:
    """Whether a call uses a rule, with ``inside`` also one that it differentiates itself."""
    try:
        args, kwargs = calls.at(0)
    except NotJudged:
        return False
    if torch() is not None:
        try:
            if find_torch_uses(value, args, kwargs, asked.file):
                return True
        except NotJudged:
            pass
    try:
        uses = find_uses(value, args, kwargs, np.float32, asked.file)
    except Untraceable:
        return _calls_rules_on_values(value, args, kwargs, asked)
    except NotJudged:
        return False
    return (inside and bool(uses.inside)) or any(not use.rule.is_library for use in uses.found)


def _calls_rules_on_values(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any], asked: Asked) -> bool:
    try:
        return bool(find_calls(value, args, kwargs, np.float32, asked.file))
    except NotJudged:
        return False


def _returned(value: Any, calls: _Calls, asked: Asked) -> Report | None:
    """Return the report on gradients that JAX code returns after its loss; None if it returns none."""
    try:
        call = calls.at(0)
        count = count_differentiated(value, call)
        if not count or not _is_jax(value, call):
            return None
        given = [calls.at(number) for number in range(asked.points)]
        return replace(check_returned(value, given, count, asked), call=asked.call)
    except NotJudged:
        return None


def _is_jax(value: Any, call: Call) -> bool:
    """Whether a call makes JAX arrays."""
    args, kwargs = call
    with np.errstate(all="ignore"):
        try:
            made = value(*args, **kwargs)
        except Exception:
            return False
    return any(isinstance(each, jax.Array) for each in jax.tree.leaves(made))


def _is_torch(call: Call, value: Any) -> bool:
    """Whether a call uses PyTorch Functions."""
    args, kwargs = call
    if any(torch().is_tensor(each) for each in jax.tree.leaves((args, kwargs))):
        return True
    try:
        return bool(find_torch_uses(value, args, kwargs, ""))
    except NotJudged:
        return False


def _refuse(recorded: Mapping[str, Any]) -> None:
    for option in ("loss", "backward", "of"):
        if recorded[option]:
            raise NotJudged(
                f"is a rule, or calls some, and takes no --{option}: its own forward pass is the reference"
            )
