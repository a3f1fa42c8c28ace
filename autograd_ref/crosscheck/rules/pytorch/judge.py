"""The verdict on one `torch.autograd.Function`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.crosscheck.errors import cause, failed, one_line
from autograd_ref.crosscheck.function.judging import judge_gradient
from autograd_ref.crosscheck.function.points import MOVE
from autograd_ref.crosscheck.quantity import Quantity, root_mean_square
from autograd_ref.crosscheck.reports.report import Advice, NotJudged, Report
from autograd_ref.crosscheck.rules.asked import Asked
from autograd_ref.crosscheck.rules.combine import EMPTY
from autograd_ref.crosscheck.rules.differences import (
    GRANTED,
    ROUNDOFF,
    RulePoint,
    Values,
    by_values,
    coarser,
    computed_in,
    contradicted,
    low_precision,
    measured,
    own_noise,
    seen_parts,
)
from autograd_ref.crosscheck.rules.pytorch.functions import TorchRule
from autograd_ref.crosscheck.rules.pytorch.tensors import array_of, torch

__all__ = ["TorchCheck", "TorchPoint"]

Arrays = list[np.ndarray]
# The unit roundoffs of PyTorch's floating formats.
# The values must agree with autograd within this part.
AGREE = 1e-4
# Below float32, the granted error is a tolerance, which does not hide entries.
LOW, MOST_GRANTED = ("float16", "bfloat16"), 0.25
INVALID = (
    "returned an invalid gradient",
    "returned an incorrect number of gradients",
    "expected Variable or None",
)


@dataclass
class TorchPoint:
    """A Function at one point.

    Attributes:
        at: its floating arguments.
        own: the Function in the checked precision.
        wide: the Function in float64; None if it does not run there.
        cotangents: cotangents of its floating outputs, 0 for outputs that take none.
        grads: the rule's gradients for the arguments.
    """

    at: Arrays
    own: TorchRule
    wide: TorchRule | None
    cotangents: Arrays
    grads: Arrays

    @property
    def exact(self) -> TorchRule:
        """The Function in its highest precision."""
        return self.wide or self.own


class TorchCheck:
    """One Function against its forward pass, at several points."""

    def __init__(self, rules: Sequence[TorchRule], dtype: str, asked: Asked) -> None:
        """Prepare a check.

        Args:
            rules: the Function at each of its uses, in the checked precision.
            dtype: its name.
            asked: the settings.
        """
        self.dtype, self.asked = dtype, asked
        self.low = 0.0
        self.notes: list[str] = []
        self.warnings: list[Advice] = []
        self.names = rules[0].names
        if not self.names:
            raise NotJudged("none of its arguments is a real or complex tensor, so nothing has a derivative")
        if not any(array.size for array in rules[0].at):
            raise NotJudged(EMPTY)
        self.points = [self._point(rule, number) for number, rule in enumerate(self._enough(rules))]
        if self.points[0].wide is None and rules[0].draws(self.points[0].at):
            self.notes.append(
                f"It draws random numbers, and was judged in {dtype} with the same in every call."
            )
        elif self.points[0].wide is None and dtype != "float64":
            self.notes.append(f"It does not run in float64, and was judged in {dtype}, with its bound.")
        self.inside = self._inside()

    def _enough(self, rules: Sequence[TorchRule]) -> list[TorchRule]:
        return [*rules, *[rules[0]] * (self.asked.points - len(rules))]

    def _point(self, rule: TorchRule, number: int) -> TorchPoint:
        rng = np.random.default_rng([self.asked.seed, 5, number])
        at = rule.at
        if number:  # the same or other tensors, moved away from special values
            moves = [MOVE * rng.standard_normal(each.shape) for each in at]
            sizes = [np.maximum(np.abs(each), _usual(each)) for each in at]
            at = [np.asarray(each + move * size) for each, move, size in zip(at, moves, sizes, strict=True)]
        at = [_rounded(each, self.dtype) for each in at]
        try:
            made, flags = rule.outputs(at), rule.differentiable(at)
            cotangents = [
                np.asarray(_rounded(np.asarray(rng.standard_normal(array_of(each).shape)), self.dtype) * flag)
                for each, flag in zip(made, flags, strict=True)
            ]
            grads = rule.pull(at, cotangents)
            if not any(flags):
                raise NotJudged("no output is a real or complex tensor that can be differentiated")
        except NotJudged:
            raise
        except Exception as error:
            if any(said in str(error) for said in INVALID):
                raise
            raise NotJudged(failed("the rule", error, rule.file)) from error
        return TorchPoint(at, rule, self._wide(rule, at, cotangents), cotangents, grads)

    def _wide(self, rule: TorchRule, at: Arrays, cotangents: Arrays) -> TorchRule | None:
        wide = replace(rule, dtype=torch().float64)
        try:
            if self.dtype != "float64" and rule.draws(at):  # it draws other numbers in float64
                return None
            wide.value(at, cotangents)
            if rule.reference is None:
                wide.pull(at, cotangents)
        except Exception:
            return None
        return wide

    def _inside(self) -> str | None:
        """Return the precision in which it computes inside, if its arguments have a higher one."""
        point = self.points[-1]
        if self.dtype != "float64" and point.wide is None:
            return None

        def outputs(at: Sequence[np.ndarray]) -> np.ndarray:
            return np.concatenate(
                [np.zeros(0), *(np.ravel(array_of(each)) for each in point.exact.outputs(at))]
            )

        return computed_in(outputs, point.at, "float64" if point.wide is not None else self.dtype)

    # Verdicts.

    def report(self, beside: Sequence[Quantity] = ()) -> Report:
        """Return the report on the cotangents of all arguments, with verdicts on further ones."""
        quantities = [*(self.quantity(i) for i in range(len(self.names))), *beside]
        wrong = [each for each in quantities if each.ok is False]
        unjudged = [each for each in quantities if each.ok is None]
        return Report(
            target=self.asked.name,
            dtype=self.dtype,
            ok=False if wrong else None if unjudged else True,
            first_wrong=wrong[0].name if wrong else None,
            signature=" ".join(dict.fromkeys(self.notes)) or None,
            warnings=tuple(self.warnings),
            quantities=tuple(quantities),
            points=len(self.points),
        )

    @property
    def unanswered(self) -> frozenset[int]:
        """The positions of arguments for which the rule returns None."""
        point = self.points[0]
        return point.own.unanswered(point.at, point.cotangents)

    def without_answer(self, position: int) -> Quantity:
        """Return the verdict on an argument for which the rule returns None, if nothing says that it may."""
        quantity = self.quantity(self.points[0].own.positions.index(position))
        reason = (
            "the rule returns None, but the outputs depend on it: if it is a constant, give the others "
            "requires_grad=True"
        )
        return replace(quantity, ok=None, seen=0.0, reason=reason) if quantity.ok is False else quantity

    @property
    def judged_in(self) -> str:
        """The precision by whose bound it is judged."""
        return coarser(self.dtype, self.inside)

    def quantity(self, i: int) -> Quantity:
        """Return the verdict on the cotangent of one argument."""
        name = f"d{self.names[i]}"
        self.low = 0.0
        found = [self._at(number, i) for number in range(len(self.points))]
        tolerance = max(self.asked.tolerance, self.low)
        quantity, _ = judge_gradient(found, 0, name, tolerance, self.judged_in)
        if quantity.ok and self.low > MOST_GRANTED:
            reason = f"rounding in {self.judged_in} may move an entry by {100 * self.low:.2g} %"
            quantity = replace(quantity, ok=None, reason=reason)
        if self.inside is not None:
            self.warnings = [low_precision(self.inside)]
        shape = self.points[0].at[i].shape
        if quantity.shape != shape:
            quantity = replace(quantity, shape=shape, index=())
        return quantity

    def _at(self, number: int, i: int) -> RulePoint:
        point = self.points[number]
        values = self.values(number)
        exact, by_hand = point.exact, point.grads[i]
        name = self.judged_in
        rng = np.random.default_rng([self.asked.seed, 6, number])
        noise = own_noise(partial(self._pulled, point), point.at, ROUNDOFF[name], rng)[i]
        automatic, reason = self._automatic(exact, point, values, i)
        if name in LOW:
            size = np.maximum(np.abs(by_hand), _usual(by_hand))
            self.low = max(self.low, GRANTED[name] + 4 * float(np.max(noise / size, initial=0.0)))
            noise, name = np.zeros_like(noise), "float32"
        unused: frozenset[int] = frozenset()
        if automatic is not None:
            right = measured(automatic, noise, name)
        elif exact is point.wide:
            given = seen_parts(values, i, by_hand)
            far = noise if given is by_hand else np.full(given.shape, np.max(noise, initial=0.0))
            right, used = by_values(values, i, name, far)
            by_hand, unused = given, frozenset() if used else frozenset([0])
            self.notes.append(
                f"d{self.names[i]}: judged by differences of the forward pass's values: {reason}."
            )
        else:
            raise NotJudged(
                f"{reason}, and it does not run in float64, where differences of its values could tell: "
                "write --reference"
            )
        if automatic is not None and not automatic.any() and exact is point.wide:
            unused = frozenset() if self._depends(values, i) else frozenset([0])
        return RulePoint(
            number, ("the call" if not number else f"moved point {number}", bool(number)),
            np.dtype(np.float64 if self.dtype == "float64" else np.float32), [by_hand], [right],
            partial(self._difference, values, i), unused,
        )  # fmt: skip

    def _pulled(self, point: TorchPoint, arrays: Arrays) -> Arrays:
        return point.own.pull([_rounded(each, self.dtype) for each in arrays], point.cotangents)

    def values(self, number: int) -> Values:
        """Return the function's values around a point."""
        point = self.points[number]
        lowest = self.inside or ("float64" if point.wide is not None else self.dtype)
        return Values(
            lambda arrays: point.exact.value(arrays, point.cotangents),
            point.at,
            np.random.default_rng([self.asked.seed, 7, number]),
            ROUNDOFF[lowest],
        )

    def _difference(self, values: Values, i: int, _: int, index: tuple[int, ...]) -> FiniteDifference | None:
        if len(index) != values.at[i].ndim:
            return None
        return values.by_entry(i, index)

    def _depends(self, values: Values, i: int) -> bool:
        rng = np.random.default_rng([self.asked.seed, 12])
        moves = [np.asarray(rng.standard_normal(values.at[i].shape) * _usual(values.at[i])) for _ in range(3)]
        here = values.function(values.at)
        return any(
            values.function([*values.at[:i], np.asarray(values.at[i] + move), *values.at[i + 1 :]]) != here
            for move in moves
        )

    def _automatic(
        self, exact: TorchRule, point: TorchPoint, values: Values, i: int
    ) -> tuple[np.ndarray | None, str]:
        """Return autograd's derivative, if the function's values agree with it, or the reason why not."""
        try:
            found = exact.automatic(point.at, point.cotangents)[i]
        except Exception as error:
            return None, f"autograd cannot go through it: {one_line(cause(error))}"
        if not np.isfinite(found).all():
            return None, "autograd's derivative of it is not finite"
        rng = np.random.default_rng([self.asked.seed, 13])
        part = AGREE if point.wide is not None else GRANTED[self.dtype]
        against = contradicted(values, i, found, part, rng)
        if against is not False and not found.any() and self._depends(values, i):
            return None, "autograd does not follow what it does"
        if against:
            return None, "its values contradict autograd's derivative of it"
        if against is None and point.wide is not None and self.inside is None:
            return None, "its values have no derivative along the directions tried"
        if against is None:
            self.notes.append(
                f"d{self.names[i]}: its values are too coarse to say whether autograd is right."
            )
        return found, ""


def refused(names: Sequence[str], error: BaseException, asked: Asked, dtype: str) -> Report:
    """Return the report on a rule that PyTorch refuses for wrong shapes or a wrong number of gradients."""
    nan = float("nan")
    said = one_line(str(error))
    quantities = tuple(
        Quantity(f"d{name}", (), False, nan, nan, nan, nan, (), nan, nan, mismatch="is refused by PyTorch")
        for i, name in enumerate(names)
        if "at index" not in said or f"at index {i} " in said
    )
    return Report(
        target=asked.name, dtype=dtype, ok=False, first_wrong=quantities[0].name if quantities else None,
        signature=f"PyTorch refuses what the rule returns: {said}.", quantities=quantities,
    )  # fmt: skip


def _rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """Return an array's values rounded to a PyTorch format."""
    tensor = torch().tensor(np.asarray(array, np.float64))
    return np.asarray(tensor.to(getattr(torch(), dtype)).double().numpy(), np.float64)


def _usual(array: np.ndarray) -> float:
    return root_mean_square(array) or 1.0
