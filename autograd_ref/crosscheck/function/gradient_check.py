"""One check: evaluate hand and reference at every point, compare them, and report."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from autograd_ref.crosscheck.function.diagnosis import describe_everywhere, describe_losses
from autograd_ref.crosscheck.function.hand import Answer, Hand, changed_names
from autograd_ref.crosscheck.function.in_float64 import decided_in_float64
from autograd_ref.crosscheck.function.judging import AtPoint, judge_gradient, judge_loss
from autograd_ref.crosscheck.function.known_points import KnownPoints
from autograd_ref.crosscheck.function.own_precision import coarseness, lower_precision
from autograd_ref.crosscheck.function.points import Point, in_dtype
from autograd_ref.crosscheck.function.pytrees import parameter_leaves
from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.crosscheck.reports.report import Advice, Diagnosis, NotJudged, Report

__all__ = ["GradientCheck"]


class GradientCheck:
    """One hand against one reference."""

    def __init__(
        self,
        hand: Callable[..., Any],
        known: KnownPoints,
        dtype: np.dtype[Any],
        seed: int,
        name: str | None,
        surrogate: bool,
        tolerance: float,
    ) -> None:
        self.hand, self.known = Hand(hand, dtype), known
        self.dtype, self.seed = dtype, seed
        self.surrogate, self.tolerance = surrogate, tolerance
        self.name = name or getattr(hand, "__qualname__", None) or type(hand).__qualname__
        self.warnings: list[Advice] = []
        self.right_at_first: set[str] = set()

    @np.errstate(all="ignore")
    def report(self, points: Sequence[Point]) -> Report:
        """Evaluate both at every point, and judge."""
        found = self._evaluate(points)
        first = found[0]
        leaves = parameter_leaves(first.point.params)
        names = [f"d{leaf.name}" for leaf in leaves]
        fault = self._state(first) or self._find_difference(first, names)
        if fault is not None and fault[0] == "determinism":
            found = found[:1]
        quantities = self._judge(found, names)
        if fault is None:
            quantities = self._in_own_precision(found, quantities, names)
            if not self.surrogate:
                quantities = self._compare_with_values(found, quantities, names)
        quantities, told = self._in_float64(found, quantities, names)
        ordered = self._ordered(first, quantities, names)
        wrong = [each for each in ordered if each.ok is False]
        signature = [] if fault else self._signature(found, quantities, names)
        if self.surrogate:
            signature.append("Compared with the reference's own rules, whatever its values show (surrogate).")
        if self.tolerance:
            signature.append(f"Every bound was widened to {self.tolerance:g} (tolerance).")
        unjudged = [each.name for each in ordered if each.ok is None and each.name != "loss"]
        signature += told
        return Report(
            target=self.name,
            dtype=self.dtype.name,
            ok=False if wrong or fault else None if unjudged else True,
            first_wrong=fault[0] if fault else wrong[0].name if wrong else None,
            diagnosis=(fault[1],) if fault else (),
            signature=" ".join(signature) or None,
            warnings=tuple(self.warnings),
            quantities=tuple(ordered),
            points=len(found),
        )

    # Evaluation.

    def _evaluate(self, points: Sequence[Point]) -> list[AtPoint]:
        found = []
        for number, point in enumerate(points):
            try:
                point = point.inside(partial(self._has_loss, number))
                answer = self.hand.answer(point)
                known = self.known.at(point, number)
            except NotJudged as error:
                if number == 0:
                    raise
                self._warn("point-failed", f"There is no verdict at {point.name}: {error}.")
                continue
            if not known.is_finite:
                self._warn("point-not-finite", f"At {point.name} the reference is not finite everywhere.")
            finer = cache(partial(self.hand.finer_answer, point))
            found.append(
                AtPoint(point, number, self.dtype, answer, finer, known, known.loss, known.gradients)
            )
        return found

    def _has_loss(self, number: int, point: Point) -> bool:
        return bool(np.isfinite(self.known.at(point, number).loss.value))

    def _warn(self, id_: str, text: str) -> None:
        self.warnings.append(Advice(id_, text))

    def _state(self, first: AtPoint) -> tuple[str, Diagnosis] | None:
        """Return a diagnosis if the call changed its arguments; warn if it changed state of its own."""
        answer, count = first.answer, first.traced.params
        mine = [
            i
            for i in answer.changed
            if i >= count and self.known.reference.ignores(first.point, first.traced, i)
        ]
        theirs = [i for i in answer.changed if i not in mine]
        if theirs:
            what = "params" if any(i < count for i in theirs) else "args"
            listed = ", ".join(changed_names(first.point, theirs))
            text = f"A call of hand changes {listed}, which belongs to the caller: work on a copy."
            return what, Diagnosis("inputs-mutated", (what,), (), text)
        if mine or answer.added:
            listed = ", ".join(changed_names(first.point, mine))
            what = f"changes {listed}, on which the loss does not depend" if mine else "adds to its arguments"
            self._warn("state-changed", f"A call of hand {what}: state that it keeps.")
        return None

    def _find_difference(self, first: AtPoint, names: list[str]) -> tuple[str, Diagnosis] | None:
        """Return a diagnosis if two answers to the same call differ by more than rounding."""
        again = self.hand.answer(first.point)
        one, other = _flat(first.answer), _flat(again)
        allowed = ([] if first.answer.loss is None else [first.loss]) + first.gradients
        names = ([] if first.answer.loss is None else ["loss"]) + names
        if len(one) != len(other):
            names, one, other, allowed = ["loss"], [np.zeros(1)], [np.zeros(2)], [first.loss]
        for name, a, b, right in zip(names, one, other, allowed, strict=True):
            size = np.max(np.abs(right.value), initial=0.0, where=np.isfinite(right.value))
            largest = max(np.max(right.bound.radius, initial=0.0), self.tolerance * size)
            with np.errstate(invalid="ignore"):
                same = (
                    (a == b) | (np.abs(a - b) <= largest) | (~np.isfinite(a) & ~np.isfinite(b))
                    if a.shape == b.shape
                    else False
                )
            if not np.all(same):
                text = f"The same call gives another {name} the second time: it is random, or keeps state."
                return "determinism", Diagnosis("not-deterministic", (name,), (), text)
        return None

    def _in_float64(
        self, found: Sequence[AtPoint], quantities: list[Quantity], names: list[str]
    ) -> tuple[list[Quantity], list[str]]:
        """Decide gradients in float64 that float32 leaves open, and report it."""
        open_ = {
            names.index(each.name): each for each in quantities if each.ok is None and each.name in names
        }
        if not open_ or self.dtype == np.float64:
            return quantities, []
        double = np.dtype(np.float64)
        hand, known = self.hand.function, self.known.in_float64
        again = GradientCheck(hand, known, double, self.seed, None, self.surrogate, self.tolerance)
        try:
            report = again.report([in_dtype(each.point, double) for each in found])
        except NotJudged:
            return quantities, []
        finer = {each.name: each for each in report.quantities}
        decided = {names[i]: each for i, each in decided_in_float64(found, open_, finer).items()}
        asked = [name for name in names if name in decided]
        helped = [
            each.name for each in open_.values()
            if each.name not in decided and finer[each.name].ok is not None
        ]  # fmt: skip
        said = []
        if asked:
            said.append(
                f"Rounding in float32 may change more than 1 %, so float64 decided: {', '.join(asked)}."
            )
        if helped:
            said.append(f"In float64 it can be judged: {', '.join(helped)}.")
        return [decided.get(each.name, each) for each in quantities], said

    # Verdicts.

    def _judge(self, found: Sequence[AtPoint], names: list[str], dtype: str | None = None) -> list[Quantity]:
        told = dtype or self.dtype.name
        loss = judge_loss(found, self.tolerance, told)
        if loss is not None and loss.ok is None:
            self._warn("loss-undetermined", f"The loss is not judged: {loss.reason}.")
        gradients = [judge_gradient(found, i, name, self.tolerance, told) for i, name in enumerate(names)]
        self.right_at_first = {name for name, (_, first) in zip(names, gradients, strict=True) if first}
        if loss is not None and (loss.ok is not False or loss.point > found[0].number):
            self.right_at_first.add("loss")
        return [*([] if loss is None else [loss]), *(each for each, _ in gradients)]

    def _in_own_precision(
        self, found: Sequence[AtPoint], quantities: list[Quantity], names: list[str]
    ) -> list[Quantity]:
        """Judge a hand that computes in a lower precision than the checked one again, by that precision."""
        if all(each.ok is not False or each.mismatch for each in quantities):
            return quantities
        lower = lower_precision(self.hand, found[-1], self.dtype, self.seed)
        if lower is None:
            return quantities
        factor = coarseness(lower) / unit_roundoff(self.dtype)
        wider = [
            replace(
                each, loss=_wider(each.loss, factor), gradients=[_wider(g, factor) for g in each.gradients]
            )
            for each in found
        ]
        told = "float32" if lower == "float32" else "half precision (float16 or bfloat16)"
        self._warn(
            "low-precision", f"hand computes in {told}, not in {self.dtype.name}, and is judged by that."
        )
        self.warnings = [each for each in self.warnings if each.id != "loss-undetermined"]
        return self._judge(wider, names, told)

    def _compare_with_values(
        self, found: Sequence[AtPoint], quantities: list[Quantity], names: list[str]
    ) -> list[Quantity]:
        """Reject gradients on which both sides agree but which the reference's values contradict."""
        judged = {each.name: each for each in quantities}
        stopped: set[str] = set()
        for each in found:
            candidates = [i for i, name in enumerate(names) if judged[name].ok is not False]
            bounds = [right.bound for right in each.gradients]
            for i, index in each.witness.contradiction(bounds, candidates).items():
                if each.witness.explained_by_stops(i, index, bounds[i]):
                    stopped.add(names[i])
                    continue
                if each.witness.explained_by_swallowing(i, index, bounds[i]):
                    continue
                difference = each.witness.by_entry(i, index)
                right, hand = each.gradients[i], each.answer.grads[i]
                judged[names[i]] = replace(
                    judged[names[i]], ok=False, odd_one_out="both", index=index, hand=float(hand[index]),
                    automatic=float(right.value[index]), point=each.number, reason=None,
                    finite_difference=None if difference is None else difference.value,
                )  # fmt: skip
        for i, name in enumerate(names):
            quantity = judged[name]
            if quantity.ok is False and quantity.odd_one_out == "automatic":
                at = next(each for each in found if each.number == quantity.point)
                if at.witness.explained_by_stops(i, quantity.index, at.gradients[i].bound):
                    stopped.add(name)
                    judged[name] = replace(quantity, odd_one_out=None)
            unmoved = all(not each.gradients[i].value.any() for each in found)
            if name in stopped and quantity.ok is None and unmoved:
                judged[name] = replace(quantity, ok=True, reason=None)
        if stopped:
            listed = ", ".join(name for name in names if name in stopped)
            self._warn(
                "gradient-stopped",
                "The reference stops a gradient; without the stop its derivative agrees with its values: "
                f"{listed} was compared with the derivative with the stop.",
            )
        return [judged[each.name] for each in quantities]

    def _ordered(self, first: AtPoint, quantities: list[Quantity], names: list[str]) -> list[Quantity]:
        """Return the quantities in the order of a backward pass: parameters that are used last come first."""
        uses = {name: first.traced.first_uses[i] for i, name in enumerate(names)}
        place = {name: -1 if use is None else use for name, use in uses.items()}
        return sorted(quantities, key=lambda each: -place.get(each.name, 10**9))

    def _signature(self, found: Sequence[AtPoint], quantities: list[Quantity], names: list[str]) -> list[str]:
        said = []
        by_name = {each.name: each for each in quantities}
        if "loss" in by_name and by_name["loss"].ok is False and "loss" not in self.right_at_first:
            said += describe_losses(self.hand, found, by_name, names)
        for i, name in enumerate(names):
            quantity = by_name[name]
            if quantity.ok is False and quantity.odd_one_out not in ("automatic", "both"):
                said += describe_everywhere(name, found, i)
        wrong = {each.name for each in quantities if each.ok is False}
        beside = [each for each in quantities if each.ok is False and each.point > 0]
        if beside and wrong <= self.right_at_first:
            at = next(each for each in found if each.number == beside[0].point)
            said.append(f"Right at {found[0].point.name}, wrong at {at.point.name}.")
            if at.point.moved:
                said.append(
                    "Parameters that depend on each other (symmetric, normalised, sorted) need points=1, or "
                    "an example that keeps this property."
                )
        return said


def _flat(answer: Answer) -> list[np.ndarray]:
    return [*([] if answer.loss is None else [answer.loss]), *answer.grads]


def _wider(right: Any, factor: float) -> Any:
    bound: Bound = right.bound
    return right._replace(bound=bound._replace(radius=factor * bound.radius), ties=None, swallowed=None)
