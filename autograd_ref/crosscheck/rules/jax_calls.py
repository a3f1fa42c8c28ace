"""Check every JAX rule that a call uses, as called and in other ways."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.compiling.options import quick_options
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.function.pytrees import is_complex_array, is_floating_array
from autograd_ref.crosscheck.reports.report import Advice, NotJudged, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.combine import (
    EMPTY,
    Verdict,
    combined,
    with_complex,
    with_failures,
)
from autograd_ref.crosscheck.rules.differences import measured
from autograd_ref.crosscheck.rules.find import Untraceable, Uses, find_uses, in_dtype, rule_of
from autograd_ref.crosscheck.rules.jax_rules import JaxRule, part_dtype, rules_of
from autograd_ref.crosscheck.rules.judge import judge_rule, points_of
from autograd_ref.crosscheck.rules.solves import Solve, judge_solves
from autograd_ref.crosscheck.rules.surrogate import judge_surrogate
from autograd_ref.crosscheck.rules.vary import Failure, Variations, differing, resized_calls
from autograd_ref.crosscheck.rules.whole_call import (
    WholeCall,
    constant_operands,
    find_calls,
    given_zero,
    on_values,
    parameters,
    told_close_over,
    told_constant,
)
from autograd_ref.two_layer_net import precision

__all__ = ["check_against", "check_jax_calls"]

Call = tuple[Sequence[Any], Mapping[str, Any]]

# A rule that is used more often is checked in this number of uses.
MOST_USES = 4
# The function in JAX that has the rule of custom_root.
ROOT = "_custom_root"
ON_VALUES = ": each rule was judged with the values that it got there."


def check_jax_calls(function: Callable[..., Any], calls: Sequence[Call], asked: Asked) -> Report:
    """Judge the rules that calls of JAX code use.

    Args:
        function: the code.
        calls: one call, or one for each point.
        asked: the settings.

    Raises:
        NotJudged: a call raised, or uses no rule.
    """
    dtype, notes = _checked_dtype(calls[0], asked)
    try:
        verdicts, told = _verdicts(function, calls, dtype, asked)
        notes += told
    except Untraceable as error:
        verdicts = _on_values(function, calls, dtype, asked)
        if not verdicts:
            raise
        notes.append(f"JAX cannot trace the call ({error.place}){ON_VALUES}")
    except NotJudged as error:
        if asked.dtype is not None or dtype == np.float32:
            raise
        try:
            verdicts, told = _verdicts(function, calls, np.dtype(np.float32), asked)
        except NotJudged:
            raise error from None
        dtype, notes = np.dtype(np.float32), [*notes, *told, f"Checked in float32: in float64 {error}."]
    if asked.dtype is None and dtype == np.float64:
        verdicts, narrow = _again_in_float32(function, calls, verdicts, asked)
        notes += narrow
    if asked.surrogate:
        notes.append(
            "Shapes, dtypes and linearity in the cotangent were checked, not the values (surrogate)."
        )
    if asked.tolerance:
        notes.append(f"Every bound was widened to {asked.tolerance:g} (tolerance).")
    if asked.name.endswith("wrapped_fun"):  # as custom_gradient calls every function
        asked = asked._replace(name=verdicts[0].name)
    return combined(verdicts, dtype.name, notes, asked)


def check_against(
    function: Callable[..., Any], reference: Callable[..., Any], calls: Sequence[Call], asked: Asked
) -> Report:
    """Compare a function with rules with another one without rules, for the same arguments.

    Args:
        function: JAX code.
        reference: JAX code with the same outputs.
        calls: one call, or one for each point.
        asked: the settings.

    Raises:
        NotJudged: a call raised, or uses no rule.
    """
    dtype, notes = _checked_dtype(calls[0], asked)
    found = _rules(function, calls[0], dtype, asked)[0]
    if not found:
        raise NotJudged("the call goes through no rule")
    use, names = found[0].own, parameters(function)
    with found[0].precision():
        cast = [in_dtype(call, dtype) for call in calls]
    whole = [WholeCall(use, use, dtype, function, call, names, reference) for call in cast]
    report = _judge(whole, function, calls[0], asked)
    return combined([Verdict(found[0].rule.name, found[0].rule.place, report)], dtype.name, notes, asked)


def _checked_dtype(call: Call, asked: Asked) -> tuple[np.dtype[Any], list[str]]:
    if asked.dtype is not None:
        return np.dtype(asked.dtype), []
    leaves = [each for each in jax.tree.leaves(call) if is_floating_array(each) or is_complex_array(each)]
    found = {np.dtype(part_dtype(each.dtype)) for each in leaves}
    if not found or np.dtype(np.float64) in found:
        return np.dtype(np.float64), []
    lower = sorted(each.name for each in found if each != np.float32)
    return np.dtype(np.float32), [f"Given in {', '.join(lower)}, checked in float32."] if lower else []


def _again_in_float32(
    function: Callable[..., Any], calls: Sequence[Call], verdicts: list[Verdict], asked: Asked
) -> tuple[list[Verdict], list[str]]:
    """Judge rules in float32 that do not run in float64, because they name their dtype."""
    failed = [each for each in verdicts if each.report is None]
    if not failed:
        return verdicts, []
    try:
        again, _ = _verdicts(function, calls, np.dtype(np.float32), asked)
    except NotJudged:
        return verdicts, []
    known = {(each.name, each.place): each for each in again if each.report is not None}
    changed = [known.get((each.name, each.place), each) if each.report is None else each for each in verdicts]
    told = [each.name for each, new in zip(verdicts, changed, strict=True) if new is not each]
    reasons = {each.name: each.reason for each in failed}
    return changed, [f"{name} was checked in float32: in float64 {reasons[name]}." for name in told]


def _verdicts(
    function: Callable[..., Any], calls: Sequence[Call], dtype: np.dtype[Any], asked: Asked
) -> tuple[list[Verdict], list[str]]:
    """Judge the rules of calls that JAX can trace, and return the verdicts with notes."""
    groups: dict[str, list[JaxRule]] = {}
    missing: set[str] | None = None
    inside: set[str] = set()
    solves: list[Solve] = []
    for call in calls:
        found, uses = _rules(function, call, dtype, asked)
        missing = set(uses.missing) if missing is None else missing & set(uses.missing)
        inside |= set(uses.inside)
        solves = solves or uses.solves
        for each in found:
            groups.setdefault(each.rule.signature, []).append(each)
    if not groups and not inside and not solves:
        raise NotJudged(
            "the call goes through no rule: no custom_vjp, custom_jvp or custom_gradient; to compare the "
            "gradients that it returns with a reference, write --reference (assert_gradients in Python)"
        )
    verdicts = [
        Verdict("custom_linear_solve", *each) for each in judge_solves(solves[:MOST_USES], dtype, asked)
    ]
    for alike in groups.values():
        rule, place = alike[0].rule, alike[0].rule.place
        try:
            if rule.name == ROOT and rule.is_library:  # its rule is built from the solvers in the call
                alike = [_by_its_values(each, dtype, function, alike[0]) for each in calls]
                rule, place = rule._replace(name="custom_root"), "in this call"
            verdicts.append(Verdict(rule.name, place, _judge(alike, function, calls[0], asked)))
        except NotJudged as error:
            verdicts.append(_as_a_whole(error, alike[0], function, calls, asked))
    further = _on_values(function, calls, dtype, asked, inside) if inside else []
    told = dict.fromkeys(sorted(missing or ()), "the call does not reach it")
    known = {each.name for each in further}
    told |= dict.fromkeys(sorted(inside - known), "the call itself differentiates it")
    unjudged = [Verdict(name, "not reached", None, reason) for name, reason in told.items()]
    notes = [f"The call itself differentiates{ON_VALUES}"] if further else []
    return [*verdicts, *further, *unjudged], notes


def _on_values(
    function: Callable[..., Any],
    calls: Sequence[Call],
    dtype: np.dtype[Any],
    asked: Asked,
    names: Collection[str] = (),
) -> list[Verdict]:
    """Judge rules, all or the named ones, each with the values that it is called with."""
    groups: dict[tuple[int, str], list[tuple[Any, Call]]] = {}
    for args, kwargs in calls:
        for value, given in find_calls(function, args, kwargs, dtype, asked.file):
            if not names or rule_of(value).name in names:
                described = [getattr(each, "shape", each) for each in jax.tree.leaves(given)]
                groups.setdefault((id(value), str(described)), []).append((value, (given, {})))
    verdicts: list[Verdict] = []
    for alike in groups.values():
        value, inner = alike[0][0], [call for _, call in alike[:MOST_USES]]
        try:
            verdicts += _verdicts(value, inner, dtype, asked)[0]
        except Untraceable as again:
            reason = f"{again.place}: JAX cannot trace it, and it was not called under jit or vmap"
            rules = [on_values(value, args, dtype, reason) for args, _ in inner]
            rule = rules[0].rule
            try:
                verdicts.append(Verdict(rule.name, rule.place, _judge(rules, value, rules[0].call, asked)))
            except NotJudged as other:
                verdicts.append(Verdict(rule.name, rule.place, None, str(other)))
    return verdicts


def _as_a_whole(
    error: NotJudged, rule: JaxRule, function: Callable[..., Any], calls: Sequence[Call], asked: Asked
) -> Verdict:
    """Return the verdict on a rule that cannot be called alone, because it closes over traced values."""
    name, place = rule.rule.name, rule.rule.place
    if "UnexpectedTracerError" not in str(error) or asked.surrogate:
        return Verdict(name, place, None, str(error))
    whole = [
        WholeCall(rule.own, rule.own, rule.dtype, function, each, parameters(function)) for each in calls
    ]
    try:
        report = _judge(whole, function, calls[0], asked)
    except NotJudged as other:
        return Verdict(name, place, None, str(other))
    text = "It closes over what JAX traces, and was judged in the whole call, by the arguments of that."
    return Verdict(name, place, replace(report, signature=" ".join(filter(None, [report.signature, text]))))


def _by_its_values(
    call: Call, dtype: np.dtype[Any], function: Callable[..., Any], rule: JaxRule
) -> WholeCall:
    """Return the derivative of a whole call as JAX computes it, to be compared with differences of values."""
    with rule.precision():
        cast = in_dtype(call, dtype)
    reason = "jax.lax.custom_root is differentiated by the solver that it is given"
    return WholeCall(rule.own, None, dtype, function, cast, parameters(function), function, reason)


def _rules(
    function: Callable[..., Any],
    call: Call,
    dtype: np.dtype[Any],
    asked: Asked,
    until: tuple[str, int] | None = None,
) -> tuple[list[JaxRule], Uses]:
    uses = find_uses(function, *call, dtype, asked.file, until)
    wide = uses.found
    if dtype != np.float64:
        try:
            wide = find_uses(function, *call, np.float64, asked.file, until).found
        except NotJudged:
            wide = []
    return rules_of(uses.found, wide, dtype, function), uses


def _judge(alike: Sequence[JaxRule], function: Callable[..., Any], call: Call, asked: Asked) -> Report:
    rule = alike[0]
    if not rule.positions:
        finite = "finite " if any(map(is_floating_array, rule.operands)) else ""
        raise NotJudged(f"none of its arguments is a {finite}floating array, so nothing has a derivative")
    if not any(np.size(rule.operands[i]) for i in rule.positions):
        raise NotJudged(EMPTY)
    points = points_of(rule, [each.operands for each in alike[:MOST_USES]], asked)
    if asked.surrogate:
        return judge_surrogate(rule, points, asked)
    report = judge_rule(rule, points, asked)
    if report.ok is False and (zero := given_zero(report, rule, points[0])):
        with rule.precision():
            held = zero & constant_operands(function, call, rule.dtype, rule.rule)
        if held:
            told = told_constant(rule, held)
            report = _judge([replace(each, held=each.held | held) for each in alike], function, call, asked)
            return replace(report, signature=" ".join(filter(None, [report.signature, told])))
        report = replace(report, signature=f"{report.signature or ''} {told_close_over(rule, zero)}".strip())
    if report.ok is False:
        return with_complex(_with_outputs(report, rule, points[0]), rule.complex_names, "-")
    if not report.ok:
        return report
    variations = Variations(rule, points, asked)
    failures = variations.failures()
    if not failures and (rule.untraced or not isinstance(rule, WholeCall)):
        failures = list(_at_other_sizes(rule, function, call, asked))
    report = with_failures(report, rule.names, failures)
    advice = tuple(Advice("variation", each) for each in variations.refusals)
    return replace(report, warnings=(*report.warnings, *advice))


def _with_outputs(report: Report, rule: JaxRule, point: Point) -> Report:
    """Add the outputs from which a wrong cotangent comes, if known, to the report."""
    cotangents, others = point.args
    if len(cotangents) < 2:
        return report
    wrong = [each.name for each in report.quantities if each.ok is False and each.name != "loss"]
    told = []
    for k in range(len(cotangents)):
        alone = tuple(each if i == k else np.zeros_like(each) for i, each in enumerate(cotangents))
        try:
            failures = _against_derivative(rule, point._replace(args=(alone, others)), "")
        except Exception:
            return report
        told += [(k, f"d{rule.names[each.number]}") for each in failures]
    outputs = sorted({k for k, name in told if name in wrong})
    if not outputs or len(outputs) == len(cotangents):
        return report
    listed = ", ".join(map(str, outputs))
    text = f"The wrong part comes from output {listed} of {len(cotangents)}, counted from 0."
    return replace(report, signature=" ".join(filter(None, [report.signature, text])))


def _at_other_sizes(
    rule: JaxRule, function: Callable[..., Any], call: Call, asked: Asked
) -> Iterator[Failure]:
    leaves, structure = jax.tree.flatten(call)
    arrays = [i for i, leaf in enumerate(leaves) if _is_array(leaf)]
    given = [np.asarray(leaves[i]) for i in arrays]
    fixed = [leaf for i, leaf in enumerate(leaves) if i not in arrays]
    for condition, resized in resized_calls(given, fixed):
        filled = list(leaves)
        for i, each in zip(arrays, resized, strict=True):
            filled[i] = each
        args, kwargs = jax.tree.unflatten(structure, filled)
        if isinstance(rule, WholeCall) and rule.untraced:
            yield from _by_values(replace(rule, call=(args, kwargs)), condition, asked)
            continue
        try:
            until = rule.rule.name, rule.rule.line
            found, _ = _rules(function, (args, kwargs), rule.dtype, asked, until)
        except NotJudged:
            continue  # the function itself does not take these sizes
        same = [
            each
            for each in found
            if (each.rule.name, each.rule.line) == (rule.rule.name, rule.rule.line)
            and each.names == rule.names
        ]
        for again in same[:1]:
            yield from _confirmed(again, condition, asked)


def _by_values(rule: WholeCall, condition: str, asked: Asked) -> Iterator[Failure]:
    """Yield failures of a rule that cannot be traced, at other sizes."""
    try:
        report = judge_rule(rule, points_of(rule, [rule.operands], asked._replace(points=1)), asked)
    except Exception:
        return  # the function does not take these sizes
    for i, each in enumerate(report.quantities):
        if each.ok is False:
            yield Failure(condition, i, each.index, each.hand, each.automatic)


def _confirmed(rule: JaxRule, condition: str, asked: Asked) -> Iterator[Failure]:
    """Yield failures of a rule at other sizes, confirmed by a full check."""
    points = points_of(rule, [rule.operands], asked._replace(points=1))
    try:
        failures = _against_derivative(rule, points[0], condition)
    except Exception:
        failures = []
    if not failures:
        return
    try:
        report = judge_rule(rule, points, asked)
    except NotJudged:
        return
    wrong = {each.name for each in report.quantities if each.ok is False}
    yield from (each for each in failures if f"d{rule.names[each.number]}" in wrong)


def _against_derivative(rule: JaxRule, point: Point, condition: str) -> list[Failure]:
    """Compare quickly with the function's automatic derivative."""
    with rule.precision():
        hand = jax.jit(rule.pulled, compiler_options=quick_options())(point.params, *point.args)
    with precision(np.float64):
        exact = jax.tree.map(lambda each: jnp.asarray(each, np.float64), point.params)
        right = jax.jit(jax.grad(rule.reference), compiler_options=quick_options())(
            exact, *point.args
        ).values_
    found = [np.asarray(each, np.float64) for each in hand]
    failures = []
    for i, (one, other) in enumerate(zip(found, right, strict=True)):
        value = np.asarray(other, np.float64)
        radius = np.asarray(measured(value, np.zeros_like(value), rule.dtype.name).bound.radius)
        failures += differing(condition, i, one, value, radius)
    return failures


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, jax.Array):
        return leaf.ndim > 0 and not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)
    return isinstance(leaf, np.ndarray) and leaf.ndim > 0 and leaf.dtype.kind in "biufc"
