"""The verdict on one JAX rule, by its function's derivative or else by its function's values."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.compiling.options import quick_options
from autograd_ref.crosscheck.errors import cause, one_line
from autograd_ref.crosscheck.function.gradient_check import GradientCheck
from autograd_ref.crosscheck.function.hand import Hand
from autograd_ref.crosscheck.function.judging import AtPoint, judge_gradient
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.points import Point, drawn_points
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.report import Advice, NotJudged, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.differences import (
    GRANTED,
    INEXACT,
    ROUNDOFF,
    RulePoint,
    Values,
    by_values,
    coarser,
    computed_in,
    low_precision,
    other_outputs,
    own_noise,
    seen_parts,
)
from autograd_ref.crosscheck.rules.jax_rules import JaxRule, Operands
from autograd_ref.two_layer_net import precision

__all__ = ["judge_rule", "points_of"]

REFUSAL = "is refused by JAX"
# The number of entries of each output that show the precision in which it was computed.
OUTPUTS = 8
# The beginnings of JAX's messages that refuse the result of a rule.
REAL = "real does not accept dtype"
REFUSED = ("Custom VJP bwd rule", "Custom VJP fwd rule", "Custom JVP rule", "custom_vjp", "custom_jvp")


def points_of(rule: JaxRule, operands: Sequence[Sequence[Any]], asked: Asked) -> list[Point]:
    """Return the points at which a rule is checked.

    Args:
        rule: the rule.
        operands: the operands at each of its uses; if there are too few, the first are moved.
        asked: the settings.

    Returns:
        Points (operands that have a cotangent, random cotangents of the outputs, other operands).
    """
    taken = [*operands, *[operands[0]] * (asked.points - len(operands))]
    rngs = [np.random.default_rng([asked.seed, 5, number]) for number in range(len(taken))]
    examples = [rule.example(each, rng) for each, rng in zip(taken, rngs, strict=True)]
    return drawn_points(examples, rule.dtype, asked.seed)


def judge_rule(rule: JaxRule, points: Sequence[Point], asked: Asked) -> Report:
    """Compare a rule with its function at several points.

    Raises:
        NotJudged: the rule raises, or its function can be neither differentiated nor evaluated.
    """
    try:
        Hand(rule.hand, rule.dtype).answer(points[0])
    except NotJudged as error:
        refused = error.__cause__
        said = None if refused is None else _refusal(rule, str(refused))
        if said is None and _is_nonlinear(rule, points[0], asked.seed):
            said = "the output's tangent must be linear in the tangents of the arguments"
        if said is not None:
            return _refused(rule, points[0], said, asked)
        raise NotJudged(str(error).replace("hand fails", "the rule fails", 1)) from error
    if rule.untraced:
        return _by_values_alone(rule, points, asked, rule.untraced)
    known = KnownPoints(rule.reference, rule.dtype, asked.seed)
    check = _RuleCheck(rule.hand, known, rule.dtype, asked.seed, asked.name, False, asked.tolerance)
    try:
        report = check.report(points)
    except NotJudged as error:
        return _by_values_alone(rule, points, asked, str(error))
    except Exception as error:  # an operation that the model of rounding cannot follow
        return _by_values_alone(rule, points, asked, one_line(cause(error)))
    report = _without_own_rounding(rule, points, report)
    if report.ok or report.diagnosis:
        return report
    return _second_opinion(rule, points, asked, report)


def _without_own_rounding(rule: JaxRule, points: Sequence[Point], report: Report) -> Report:
    """Return the report without a verdict on outputs that the function itself gives in the checked dtype."""
    wrong = [each for each in report.quantities if each.ok is False]
    if not wrong or wrong[0].name != "loss" or not all(map(rule.keeps_outputs, points)):
        return report
    quantities = tuple(each for each in report.quantities if each.name != "loss")
    unjudged = any(each.ok is None for each in quantities)
    return replace(
        report,
        ok=False if len(wrong) > 1 else None if unjudged else True,
        first_wrong=wrong[1].name if len(wrong) > 1 else None,
        quantities=quantities,
    )


class _RuleCheck(GradientCheck):
    """A rule as the hand's gradient."""

    def _signature(self, found: Sequence[AtPoint], quantities: list[Quantity], names: list[str]) -> list[str]:
        """Describe the errors, unless the outputs differ."""
        if any(each.name == "loss" and each.ok is False for each in quantities):
            return []
        return super()._signature(found, quantities, names)


def _second_opinion(rule: JaxRule, points: Sequence[Point], asked: Asked, report: Report) -> Report:
    """Let the function's values decide where they contradict its automatic derivative."""
    doubtful = [each for each in report.quantities if _is_doubtful(each)]
    if not doubtful:
        return report
    numbers = [rule.names.index(each.name[1:]) for each in doubtful]
    judge = _ByValues(rule, points, asked)
    decided: dict[str, Quantity] = {}
    for each, i in zip(doubtful, numbers, strict=True):
        try:
            found = judge.quantity(i)
        except NotJudged:
            continue
        heard = found.ok is not None if each.ok is None else found.ok and judge.backs_hand(i, each)
        if heard:
            decided[each.name] = found
        elif each.ok is False and not found.ok and _is_right_without_rules(rule, points, asked, each):
            decided[each.name] = replace(each, ok=True, odd_one_out=None)
    if not decided:
        return report
    quantities = tuple(decided.get(each.name, each) for each in report.quantities)
    told = ", ".join(decided)
    text = (
        f"{told}: JAX's derivative of the function is stopped, not finite, or contradicted by its values; "
        "judged by differences of the values."
    )
    left = [each for each in quantities if each.ok is False]
    unjudged = any(each.ok is None and each.name != "loss" for each in quantities)
    return replace(
        report,
        ok=False if left else None if unjudged else True,
        first_wrong=left[0].name if left else None,
        quantities=quantities,
        signature=" ".join(filter(None, [report.signature if left else None, text])),
    )


def _is_doubtful(quantity: Quantity) -> bool:
    if quantity.name == "loss" or quantity.mismatch is not None:
        return False
    if quantity.odd_one_out in ("both", "hand"):  # the values have decided
        return False
    return quantity.ok is not True


def _is_right_without_rules(rule: JaxRule, points: Sequence[Point], asked: Asked, quantity: Quantity) -> bool:
    """Whether this rule also agrees with the derivative of its function without any rule inside."""
    known = KnownPoints(rule.bare_reference, rule.dtype, asked.seed)
    check = GradientCheck(rule.hand, known, rule.dtype, asked.seed, asked.name, False, asked.tolerance)
    try:
        found = check.report(points)
    except NotJudged:
        return False
    return any(each.name == quantity.name and each.ok for each in found.quantities)


def _by_values_alone(rule: JaxRule, points: Sequence[Point], asked: Asked, reason: str) -> Report:
    judge = _ByValues(rule, points, asked)
    outputs = other_outputs([rule.values(point) for point in points], max(GRANTED[judge.judged_in], INEXACT))
    quantities = [*outputs, *(judge.quantity(i) for i in range(len(rule.names)))]
    wrong = [each for each in quantities if each.ok is False]
    unjudged = [each for each in quantities if each.ok is None]
    text = f"Judged by differences of the function's values alone: {reason.rstrip('.')}."
    return Report(
        target=asked.name,
        dtype=rule.dtype.name,
        ok=False if wrong else None if unjudged else True,
        first_wrong=wrong[0].name if wrong else None,
        signature=text.replace("reference cannot be", "it cannot be"),
        warnings=judge.warnings,
        quantities=tuple(quantities),
        points=len(points),
    )


class _ByValues:
    """One rule, compared with differences of its function's values."""

    def __init__(self, rule: JaxRule, points: Sequence[Point], asked: Asked) -> None:
        self.rule, self.points, self.asked = rule, points, asked
        self.value = (
            rule.reference if rule.untraced else jax.jit(rule.reference, compiler_options=quick_options())
        )
        self.inside = computed_in(self._some_outputs, self._at_point(-1), "float64")
        self.values = [self._values(number) for number in range(len(points))]
        self._found: dict[int, Quantity] = {}

    def quantity(self, i: int) -> Quantity:
        """Return the verdict on the cotangent of one operand."""
        if i in self._found:
            return self._found[i]
        found = [self._at(number, i) for number in range(len(self.points))]
        name = f"d{self.rule.names[i]}"
        quantity, _ = judge_gradient(found, 0, name, self.asked.tolerance, self.judged_in)
        shape = np.shape(self.points[0].params.values_[i])
        if quantity.shape != shape:  # parts of a large one
            quantity = replace(quantity, shape=shape, index=(), odd_one_out=None)
        self._found[i] = quantity
        return quantity

    @property
    def judged_in(self) -> str:
        """The precision by whose bound it is judged."""
        return coarser(self.rule.dtype.name, self.inside)

    @property
    def warnings(self) -> tuple[Advice, ...]:
        """Warn of a computation in a lower precision than the arguments have."""
        return () if self.inside is None else (low_precision(self.inside),)

    def backs_hand(self, i: int, quantity: Quantity) -> bool:
        """Whether differences at the worst entry agree with the rule."""
        found = self.values[quantity.point].by_entry(i, quantity.index)
        if found is None:
            return False
        allowed = 8 * found.error + 1e-3 * max(abs(found.value), abs(quantity.hand))
        return bool(abs(found.value - quantity.hand) <= allowed)

    def _at(self, number: int, i: int) -> RulePoint:
        point, values = self.points[number], self.values[number]
        rng = np.random.default_rng([self.asked.seed, 6, number])
        hand = Hand(self.rule.hand, self.rule.dtype)

        def parts(arrays: list[np.ndarray]) -> list[np.ndarray]:
            params = Operands(self.rule.names, [each.astype(self.rule.dtype) for each in arrays])
            return [seen_parts(values, i, hand.answer(point._replace(params=params)).grads[i])]

        noise = own_noise(parts, values.at, unit_roundoff(self.rule.dtype), rng)
        right, used = by_values(values, i, self.judged_in, noise[0])
        unused = frozenset() if used else frozenset([0])
        return RulePoint(
            number, (point.name, point.moved), self.rule.dtype, parts(values.at), [right], unused=unused
        )

    def _values(self, number: int) -> Values:
        cotangents = self.points[number].args[0]
        with precision(np.float64):
            exact = tuple(jnp.asarray(each, np.float64) for each in cotangents)
        return Values(
            lambda arrays: self._value(number, arrays, exact),
            self._at_point(number),
            np.random.default_rng([self.asked.seed, 7, number]),
            ROUNDOFF[self.inside or "float64"],
        )

    def _some_outputs(self, at: Sequence[np.ndarray]) -> np.ndarray:
        """Return some entries of the outputs at the last point, or at another near it."""
        rng = np.random.default_rng([self.asked.seed, 14])
        found = []
        zeros = [np.zeros(np.shape(each)) for each in self.points[-1].args[0]]
        for each in [each for each in zeros if each.size]:
            for k in rng.choice(each.size, min(each.size, OUTPUTS), replace=False):
                each.flat[k] = 1.0
                found.append(self._value(-1, at, tuple(zeros)))
                each.flat[k] = 0.0
        return np.array(found)

    def _value(self, number: int, at: Sequence[np.ndarray], cotangents: tuple[Any, ...]) -> float:
        """Return ⟨cotangents, outputs⟩ in float64."""
        with precision(np.float64):
            params = Operands(self.rule.names, [jnp.asarray(each, np.float64) for each in at])
            try:
                return float(self.value(params, cotangents, self.points[number].args[1]))
            except Exception as error:
                raise NotJudged(f"the function raised {one_line(cause(error))}") from error

    def _at_point(self, number: int) -> list[np.ndarray]:
        return [np.asarray(each, np.float64) for each in self.points[number].params.values_]


def _is_nonlinear(rule: JaxRule, point: Point, seed: int) -> bool:
    """Whether twice the tangents of the arguments give another output than twice the tangent."""
    if rule.rule.kind != "custom_jvp":
        return False
    rng = np.random.default_rng([seed, 15])

    tangents = [rng.standard_normal(np.shape(each)) for each in point.params.values_]
    try:
        with rule.precision():
            once = rule.pushed(point.params, point.args[1], tangents)
            twice = rule.pushed(point.params, point.args[1], [2 * each for each in tangents])
    except Exception:
        return False
    pairs = zip(once, twice, strict=True)
    return not all(np.allclose(2 * np.asarray(one), two, rtol=1e-3, equal_nan=True) for one, two in pairs)


def _refusal(rule: JaxRule, error: str) -> str | None:
    """Return why JAX refuses what a rule returns; None if it does not."""
    if rule.complex_names and REAL in error:
        return "a real cotangent for an argument that is complex"
    if not error.startswith(REFUSED):
        return None
    if error.startswith("Custom VJP fwd rule"):
        return "the forward rule must return (output, residuals), with an output like the function's"
    built = re.search(r"bwd output structure PyTreeDef\((.*?)\) for primal", error)
    if built is None:
        return one_line(error.strip().partition("\n\n")[0]).rstrip(".")
    heads = list(dict.fromkeys(re.split(r"[.\[]", name)[0] for name in rule.rule.arguments))
    returned = built[1].replace("*", "array")
    return f"the backward rule must return a tuple of the cotangents of {', '.join(heads)}, not {returned}"


def _refused(rule: JaxRule, point: Point, said: str, asked: Asked) -> Report:
    """Return the report on a rule that JAX refuses for the structure, shape or dtype of its result."""
    nan = float("nan")
    named = re.search(r"output\[(\d+)\]", said)
    heads = list(dict.fromkeys(re.split(r"[.\[]", name)[0] for name in rule.rule.arguments))
    which = heads[int(named[1])] if named and int(named[1]) < len(heads) else None
    quantities = [
        Quantity(f"d{name}", np.shape(value), False, nan, nan, nan, nan, (), nan, nan, mismatch=REFUSAL)
        for name, value in zip(rule.names, point.params.values_, strict=True)
        if which in (None, re.split(r"[.\[]", name)[0])
    ]
    return Report(
        target=asked.name,
        dtype=rule.dtype.name,
        ok=False,
        first_wrong=quantities[0].name if quantities else None,
        signature=f"JAX refuses what the rule returns: {said}.",
        quantities=tuple(quantities),
    )
