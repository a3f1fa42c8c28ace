"""A call at one point: recorded, differentiated, with the gradients that it computes."""

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import FiniteDifference
from autograd_ref.arithmetic.rounding import Bound, unit_roundoff
from autograd_ref.arithmetic.rounding_bounds import Measured
from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.program.assigned.assign import Assigned, Assignment, assign
from autograd_ref.crosscheck.program.assigned.gradients import Candidate, candidates
from autograd_ref.crosscheck.program.assigned.losses import Loss, NoLoss, find_loss
from autograd_ref.crosscheck.program.assigned.moved import step_size
from autograd_ref.crosscheck.program.assigned.returned import returned_names
from autograd_ref.crosscheck.program.assigned.second import second_derivative
from autograd_ref.crosscheck.program.calling.caught import has_floating
from autograd_ref.crosscheck.program.calling.foreign import has_foreign
from autograd_ref.crosscheck.program.calling.forms import Form
from autograd_ref.crosscheck.program.guards import Guard, guarded_logarithms, unguarded
from autograd_ref.crosscheck.program.views import adjoint_by
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Leaf, NotRecorded, Recording, Value, adjoints, record_or_undo
from autograd_ref.recording.adjoints import Adjoint, Adjoints, ties_of
from autograd_ref.recording.bounds import LeafBound, difference, measure

__all__ = ["RecordedPoint", "Run", "read_gradients", "run"]

FOREIGN = (
    "the call computes with arrays of JAX or PyTorch, which are not recorded: give it NumPy arrays, or "
    "compare it with a reference, --reference (assert_gradients in Python)"
)


@dataclass
class Run:
    """One recorded call, with its loss and the adjoints.

    Attributes:
        recording: the call.
        loss: its loss.
        found: the adjoints of the loss.
        names: the names of the results in the return statement.
        result: the path of the program's own result.
    """

    recording: Recording
    loss: Loss
    found: Adjoints
    names: dict[str, str]
    result: str

    @property
    def loss_here(self) -> float:
        """The value of the loss at this point."""
        return float(self.found.arrays[self.loss.value.number])

    def assignment(self, of: Mapping[str, str]) -> Assignment:
        """Return the assignment of gradients to leaves."""
        return assign(self.recording, self.found, self.candidates(), of)

    def candidates(self) -> list[Candidate]:
        """Return the possible gradients."""
        return candidates(self.recording, self.found, self.loss, self.names, self.result)

    def held(self, path: str) -> np.ndarray:
        """Return the content of a leaf before the call, in float64."""
        return np.asarray(self.found.arrays[self.leaf(path).value.number], np.float64)

    def gradient(self, pair: Assigned) -> tuple[Any, Value | None]:
        """Return a gradient that the call computed, and its value on the tape."""
        thing, value = self.recording.final.get(pair.found, (None, None))
        if pair.part is None or thing is None:
            return thing, value
        if np.size(thing) < pair.part.start + int(np.prod(pair.part.shape)):
            return thing, None
        return pair.part.of(np.asarray(thing)), None

    def leaf(self, path: str) -> Leaf:
        """One leaf."""
        return next(leaf for leaf in self.recording.leaves if leaf.path == path)


@dataclass
class RecordedPoint:
    """The results to judge at one point; see `function.judging.Judged`.

    Attributes:
        run: the call.
        number: the number of the point.
        pairs: the pairs of gradients and leaves.
        by_hand: the program's gradients.
        gradients: the right gradients.
        bounds: the bounds of the right gradients.
        step: the size of the step by which parameters are moved.
        guards: constants in logarithms that a gradient by hand leaves out, by leaf.
        witnessed: whether differences are used.
    """

    run: Run
    number: int
    pairs: Sequence[Assigned]
    by_hand: list[np.ndarray]
    gradients: list[Measured]
    bounds: list[LeafBound]
    step: float
    guards: dict[str, list[Guard]]
    witnessed: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The lowest dtype of the leaves that have a gradient."""
        dtypes = {self.run.leaf(pair.leaf).array.dtype for pair in self.pairs}
        return min(dtypes, key=lambda dtype: dtype.itemsize)

    @property
    def place(self) -> tuple[str, bool]:
        """The name of the point, and whether it was moved from the given one."""
        return f"point {self.number}" if self.number else "the given point", self.number > 0

    def noise(self, i: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return None, because the bounds show whether terms cancel."""
        return None

    def finer_by_hand(self, i: int) -> np.ndarray | None:
        """Return None, because the bounds include rounding in the program's own computation."""
        return None

    @property
    def lowest(self) -> np.dtype[Any]:
        """The dtype of the reference, float64."""
        return np.dtype(np.float64)

    def is_used(self, i: int) -> bool:
        """Whether the loss depends on a leaf."""
        return adjoint_by(self.run.found, self.run.leaf(self.pairs[i].leaf)) is not None

    def difference(self, i: int, index: tuple[int, ...]) -> FiniteDifference | None:
        """Return the derivative with respect to one entry of one leaf, from plain runs."""
        if not self.witnessed or self.pairs[i].is_second:
            return None
        leaf = self.run.leaf(self.pairs[i].leaf)
        direction = np.zeros(leaf.array.shape)
        direction[index] = 1.0
        try:
            return difference(self.run.recording, self.run.loss.value, {leaf.path: direction})
        except NotRecorded:
            return None


def run(form: Form, args: Sequence[Any], kwargs: Mapping[str, Any], file: str) -> Run:
    """Record a call, and keep the state that it leaves.

    Raises:
        NotJudged: the call raised, could not be recorded, or has no loss; then the state is restored.
    """
    if form.leaves_variables and form.loss is None:
        raise NoLoss("none of its variables is the loss by its name: say which one is, --loss NAME")
    try:
        recording = record_or_undo(form.function, args, kwargs)
    except NotRecorded as error:
        raise NotJudged(f"cannot be recorded: {error}") from error
    except NotJudged:
        raise
    except (Exception, SystemExit) as error:
        frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        where = "--loss" if "<loss>" in frames else "the call"
        seen = "; it sees out, what was returned, its function's own variables and the names of the file"
        told = seen if where == "--loss" and isinstance(error, NameError) else ""
        if isinstance(error, TypeError) and file not in frames:
            told = f"; it is {_signature(form.results[1])}"
        raise NotJudged(failed(where, error, file) + told) from error
    try:
        if not any(leaf.array.size for leaf in recording.leaves):
            raise _nothing_read(recording, args, kwargs)
        return _read(form, recording)
    except NoLoss:
        if has_foreign(recording.result, {}):
            raise NotJudged(FOREIGN) from None
        raise
    except BaseException:
        recording.before.restore()
        raise


def _nothing_read(recording: Recording, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NotJudged:
    """Return the reason why a call that reads no floating array cannot be judged."""
    if has_foreign((args, recording.result), kwargs):
        return NotJudged(FOREIGN)
    if has_floating(args, kwargs):
        return NoLoss("it computes nothing from the arrays that it is given, so nothing has a gradient")
    return NotJudged(
        "the call reads no floating array from before it, so nothing has a gradient: give it its "
        "parameters and inputs as NumPy arrays of float64 or float32"
    )


def _signature(function: Callable[..., Any]) -> str:
    try:
        return f"{function.__name__}{inspect.signature(function)}"
    except (AttributeError, TypeError, ValueError):
        return "called otherwise"


def _read(form: Form, recording: Recording) -> Run:
    """Return a run with the loss of a recorded call, and its adjoints."""
    where, function = form.results
    said = {}
    if not form.leaves_variables:
        said = returned_names(function, recording.result if where == "return" else recording.result[1])
    named = {where + path.removeprefix("return"): name for path, name in said.items()}
    loss = find_loss(recording, form.loss, named)
    return Run(recording, loss, adjoints(recording, loss.value), named, where)


def read_gradients(found: Run, number: int, pairs: Sequence[Assigned], seed: int) -> RecordedPoint:
    """Return the gradients by hand at one point, and the right ones."""
    recording = found.recording
    by_hand, exact = [], {}
    for pair in pairs:
        thing, value = found.gradient(pair)
        by_hand.append(np.asarray(np.nan if thing is None else thing, np.float64))
        leaf = found.leaf(pair.leaf)
        if (
            not (pair.is_change or pair.is_second)
            and value is not None
            and value.dtype.kind == "f"
            and value.shape == leaf.value.shape
        ):
            exact[pair.leaf] = value
    asked = [pair.leaf for pair in pairs]
    bounds = measure(
        recording, found.loss.value, seed=seed + number, leaves=asked, by_hand=exact, found=found.found
    )
    rights = [bounds.of[path] for path in asked]
    step, slips = _by_change(found, pairs, by_hand, rights)
    gradients = [
        _measured(found, path, right, slip) for path, right, slip in zip(asked, rights, slips, strict=True)
    ]
    for i, pair in enumerate(pairs):
        if pair.is_second:
            gradients[i] = second_derivative(recording, found.found, found.leaf(pair.leaf))
            rights[i] = LeafBound(Adjoint(gradients[i].value, None), gradients[i].bound.radius, [], False)
    guards = _leave_out_guards(found, asked, by_hand, gradients)
    return RecordedPoint(found, number, pairs, by_hand, gradients, rights, step, guards)


def _leave_out_guards(
    found: Run, asked: Sequence[str], by_hand: Sequence[np.ndarray], gradients: list[Measured]
) -> dict[str, list[Guard]]:
    """Compare gradients with the loss without the constants in its logarithms, if they fit it."""
    off = [i for i, right in enumerate(gradients) if not _is_within(by_hand[i], right.value, right.bound)]
    guards = guarded_logarithms(found.recording, found.found) if off else []
    if not guards:
        return {}
    without = unguarded(found.recording, found.found, guards)
    left_out = {}
    for i in off:
        centre = adjoint_by(without, found.leaf(asked[i]))
        if centre is not None and _is_within(by_hand[i], centre, gradients[i].bound):
            bound = gradients[i].bound._replace(centre=centre)
            gradients[i] = gradients[i]._replace(value=centre, bound=bound)
            left_out[asked[i]] = guards
    return left_out


def _is_within(hand: np.ndarray, centre: np.ndarray, bound: Bound) -> bool:
    if hand.shape != centre.shape:
        return False
    excess = bound._replace(centre=centre).excess(hand)
    return bool(np.all(excess <= bound.radius))


def _by_change(
    found: Run, pairs: Sequence[Assigned], by_hand: list[np.ndarray], rights: Sequence[LeafBound]
) -> tuple[float, list[np.ndarray | float]]:
    """Replace moved parameters by gradients; return the step's size, and the rounding that it causes."""
    slips: list[np.ndarray | float] = [0.0] * len(pairs)
    held = {pair.leaf: found.held(pair.leaf) for pair in pairs if pair.is_change}
    changes = {
        pair.leaf: held[pair.leaf] - after
        for pair, after in zip(pairs, by_hand, strict=True)
        if pair.is_change
    }
    if not changes:
        return 1.0, slips
    centres = {pair.leaf: right.right.centre for pair, right in zip(pairs, rights, strict=True)}
    ends = [found.gradient(pair)[1] for pair in pairs if pair.is_change]
    rate = step_size(found.recording, found.found.forward, ends, changes, centres) or 1.0
    for i, pair in enumerate(pairs):
        if pair.is_change:
            leaf = found.leaf(pair.leaf)
            steps = sum(value.shape == leaf.value.shape for value in found.recording.tape.values) + 4
            size = np.abs(held[pair.leaf]) + np.abs(by_hand[i])
            slips[i] = min(steps, 64) * unit_roundoff(leaf.array.dtype) * size / rate
            by_hand[i] = changes[pair.leaf] / rate
    return rate, slips


def _measured(found: Run, path: str, right: LeafBound, slip: np.ndarray | float) -> Measured:
    centre, slack = right.right
    bound = Bound(np.asarray(right.bound + slip), centre, np.zeros(centre.shape) if slack is None else slack)
    if slack is None or found.leaf(path).value not in found.found.of:
        return Measured(centre, bound, None)
    open_ = ties_of(found.recording.tape, found.found, found.leaf(path).value)
    return Measured(centre, bound, None) if open_ is None else Measured(open_[0], bound, open_[1])
