"""Assign gradients to arrays: by names first, then by shapes, then by values.

A right value under the wrong name is wrong. A gradient that could belong to several leaves is not assigned
until the user says to which.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autograd_ref.crosscheck.program.assigned.chance import is_named_by_chance, is_variable
from autograd_ref.crosscheck.program.assigned.flat import Part, parts_of
from autograd_ref.crosscheck.program.assigned.gradients import Candidate, was_there
from autograd_ref.crosscheck.program.assigned.moved import (
    is_after_step,
    is_moved,
    is_moved_repeatedly,
    is_rescaled,
)
from autograd_ref.crosscheck.program.assigned.named import TIERS, closest, in_other_case
from autograd_ref.crosscheck.program.assigned.second import boosting_pair
from autograd_ref.crosscheck.program.guessed.roles import TRAINED, role_of
from autograd_ref.crosscheck.program.paths import of_path, shown
from autograd_ref.crosscheck.program.views import adjoint_by
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Leaf, Recording, Value
from autograd_ref.recording.adjoints import Adjoints

__all__ = ["Assigned", "Assignment", "assign"]

# The largest distance of an array from a leaf's adjoint at which it counts as the gradient.
NEAR = 1e-4
_REPEATED = "{} is moved more than once in the call: let it make one step"


@dataclass(frozen=True)
class Assigned:
    """A gradient and the leaf that it belongs to.

    Attributes:
        leaf: the path of the leaf.
        found: the path of the gradient.
        is_change: whether it is the leaf itself, moved by a step against its gradient.
        part: its part of a vector of several gradients; None for a separate array.
        is_second: whether it is the diagonal of the second derivative.
    """

    leaf: str
    found: str
    is_change: bool = False
    part: Part | None = None
    is_second: bool = False


@dataclass
class Assignment:
    """The assignment of all gradients of a call.

    Attributes:
        pairs: the pairs in the order of the leaves.
        ambiguous: sentences about gradients that could belong to several leaves.
        spare: paths of returned gradients that do not belong to a leaf.
    """

    pairs: list[Assigned] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)


def assign(
    recording: Recording, found: Adjoints, known: Sequence[Candidate], of: Mapping[str, str]
) -> Assignment:
    """Assign gradients to leaves.

    Args:
        recording: the recording of the call.
        found: the adjoints of its loss.
        known: the possible gradients.
        of: the user's assignments: the gradient's name or path, and the leaf's.

    Returns:
        The assignment.

    Raises:
        NotJudged: ``of`` names something that does not exist.
    """
    return _Assigning(recording, found, known).all(of)


class _Assigning:
    def __init__(self, recording: Recording, found: Adjoints, known: Sequence[Candidate]):
        self.found, self.leaves = found, list(recording.leaves)
        self.left = list(known)
        self.variables = {each.path for each in known if is_variable(each)}
        self.final = recording.final
        self.result = Assignment()
        self.taken: set[str] = set()

    def all(self, of: Mapping[str, str]) -> Assignment:
        for name, leaf in of.items():
            self._take(self._candidate(name), self._leaf(leaf))
        self._leave_out_what_is_moved_on()
        if not of and (boosting := boosting_pair(self.left, self._used())) is not None:
            predicted, first, second = boosting
            self._take(first, predicted)
            self.result.pairs.append(Assigned(predicted.path, second.path, is_second=True))
            self.left.remove(second)
        for tier in TIERS:
            for each in list(self.left):
                matches = [leaf for leaf in self._free() if tier(each, leaf)]
                if len(matches) > 1:  # an optimiser's moments have its parameters' names
                    matches = [leaf for leaf in self._used() if tier(each, leaf)] or matches
                chosen = closest(each, matches)
                if chosen is None or is_named_by_chance(each, chosen, self.found, self.left):
                    continue
                if self._is_reset(each, chosen):
                    self.left.remove(each)  # zero_grad() after the step: the step shows the gradient
                else:
                    self._take(each, chosen)
        self._changes()
        self._refuse_what_is_overwritten()
        self._by_shape()
        self._in_vectors()
        if not of:
            self._refuse_what_takes_the_place_of_a_gradient()
            self._refuse_what_is_not_written()
        self.result.spare += [each.path for each in self.left if each.is_returned]
        order = {leaf.path: i for i, leaf in enumerate(self.leaves)}
        self.result.pairs.sort(key=lambda pair: order[pair.leaf])
        return self.result

    def _free(self) -> list[Leaf]:
        return [leaf for leaf in self.leaves if leaf.path not in self.taken]

    def _take(self, each: Candidate, leaf: Leaf, *, is_change: bool = False) -> None:
        if not is_change and self._is_of_later_step(each, leaf):
            self.result.ambiguous.append(_REPEATED.format(shown(leaf.path)))
        else:
            self.result.pairs.append(Assigned(leaf.path, each.path, is_change))
        self.taken.add(leaf.path)
        self.left = [other for other in self.left if other.path != each.path]

    def _is_reset(self, each: Candidate, leaf: Leaf) -> bool:
        """Whether an array of gradients is set to 0 at the end of a call that moves their parameter."""
        alike = [other for other in self.left if other.array.shape == leaf.array.shape]
        is_zero = not each.is_returned and each.array.size and not each.array.any()
        return bool(is_zero) and any(is_moved(other.value, leaf.value) for other in alike)

    def _is_of_later_step(self, each: Candidate, leaf: Leaf) -> bool:
        """Whether a gradient belongs to a later step than the first, in a call of several."""
        if each.value is None:
            return False
        # A gradient with its penalty, dW += W, has the form of a step itself.
        others = [other for other in self.left if other.value is not each.value]
        ends = [other.value for other in others if other.array.shape == leaf.array.shape]
        ends.append(self.final.get(leaf.path, (None, None))[1])
        return any(is_after_step(each.value, end, leaf.value) for end in ends if is_moved(end, leaf.value))

    def _leave_out_what_is_moved_on(self) -> None:
        """Leave out parameters that are moved before the loss uses them again: a loop of several steps."""
        for leaf in self._free():
            ends = [
                each
                for each in self.left
                if each.array.shape == leaf.array.shape
                and not self._is_adjoint(each, leaf)  # a state's adjoint is moved repeatedly, too
                and is_moved_repeatedly(each.value, leaf.value, self.found.forward)
                and is_moved_repeatedly(each.value, leaf.value, self._with_an_effect())
            ]
            if ends:
                self.result.ambiguous.append(_REPEATED.format(shown(leaf.path)))
                self.taken.add(leaf.path)
                self.left = [each for each in self.left if not any(each is end for end in ends)]

    def _with_an_effect(self) -> set[Value]:
        """Return the values that change the loss, without those written to rows of which it reads others."""
        of = self.found.of
        return {each for each in of if of[each].slack is not None or of[each].centre.any()}

    def _changes(self) -> None:
        """Assign parameters that the call moves, in place or in its result."""
        for leaf in self._free():
            if adjoint_by(self.found, leaf) is None:
                continue
            for each in self.left:
                if each.array.shape != leaf.array.shape or not is_moved(each.value, leaf.value):
                    continue
                if is_variable(each) and each.name.name != of_path(leaf.path).name:
                    continue  # error = y - out
                if is_rescaled(each.value, leaf.value, self.found.forward):
                    continue
                alike = [other for other in self._free() if other.array.shape == each.array.shape]
                if each.path == leaf.path or not any(self._is_adjoint(each, other) for other in alike):
                    self._take(each, leaf, is_change=True)
                    break

    def _refuse_what_is_overwritten(self) -> None:
        """Refuse a parameter that is overwritten without a step from its value, while others are moved."""
        for leaf in self._free() if any(each.is_change for each in self.result.pairs) else ():
            _, value = self.final.get(leaf.path, (None, None))
            is_written = value is not None and value is not leaf.value and value not in self.found.forward
            if not is_written or adjoint_by(self.found, leaf) is None:
                continue
            step = next((each for each in self.left if each.path == leaf.path), None)
            if step is not None and self._is_step(step, leaf):
                self._take(step, leaf, is_change=True)  # `W = -lr * dW`: no step from its value, so wrong
            else:
                self.result.ambiguous.append(
                    f"{shown(leaf.path)} is overwritten in the call, not moved by a step"
                )

    def _is_step(self, each: Candidate, leaf: Leaf) -> bool:
        """Whether what is written over a parameter goes down its gradient."""
        right = adjoint_by(self.found, leaf)
        written = self.found.arrays[each.value.number] if each.value is not None else None
        held = self.found.arrays[leaf.value.number]
        if right is None or written is None or written.shape != held.shape:
            return False
        new, down = written[written != held], right[written != held]
        size = float(np.sqrt(np.sum(new * new) * np.sum(down * down)))
        return new.size > 1 and size > 0 and float(np.sum(new * down)) < -(1 - NEAR) * size

    def _by_shape(self) -> None:
        """Assign unnamed results by position among leaves of the same shape, or else by value."""
        nameless = [each for each in self.left if each.is_returned and each.array.size]
        shapes = dict.fromkeys(each.array.shape for each in nameless)
        for shape in shapes:
            these = [each for each in nameless if each.array.shape == shape]
            leaves = [leaf for leaf in self._used() if leaf.array.shape == shape]
            named = [leaf for leaf in leaves if role_of(of_path(leaf.path).name) != "labels"]
            if len(these) in (len(leaves), len(named)):
                for each, leaf in zip(these, leaves if len(these) == len(leaves) else named, strict=True):
                    self._take(each, leaf)
                continue
            for each in list(these):
                equal = [leaf for leaf in leaves if self._is_adjoint(each, leaf)]
                if len(equal) == 1:
                    self._take(each, equal[0])
                    these.remove(each)
                    leaves.remove(equal[0])
            if these and leaves and not self._in_order(these, leaves):
                moving = [leaf for leaf in leaves if not _is_mask(leaf)]
                if len(these) == len(moving):
                    for each, leaf in zip(these, moving, strict=True):
                        self._take(each, leaf)
                else:
                    self._refuse(these, leaves)

    def _in_order(self, these: list[Candidate], leaves: list[Leaf]) -> bool:
        """Whether the remaining leaves are the first parameters, in order."""
        every = [each for each in self.left if each.is_returned and each.array.size]
        free = self._used()
        shapes = [each.array.shape for each in every]
        if self.result.pairs or len(every) < 2 or shapes != [leaf.array.shape for leaf in free[: len(every)]]:
            return False
        for each, leaf in zip(every, free, strict=False):
            self._take(each, leaf)
        return True

    def _refuse(self, these: list[Candidate], leaves: list[Leaf]) -> None:
        names = [each.name.name if each.name.name != "return" else shown(each.path) for each in these]
        paths = " or ".join(shown(leaf.path) for leaf in leaves)
        told = f"--of '{names[0]}={shown(leaves[0].path)}'"
        self.result.ambiguous.append(f"{', '.join(names)} may be the gradient for {paths}: say which, {told}")

    def _in_vectors(self) -> None:
        """Assign vectors of several gradients."""
        for each in list(self.left):
            if not each.is_returned or each.array.ndim == 0 or each.array.size != max(each.array.shape):
                continue
            for leaf, part in parts_of(each.array, self._used(), self._is_near) or []:
                self.result.pairs.append(Assigned(leaf.path, each.path, part=part))
                self.taken.add(leaf.path)
                self.left = [other for other in self.left if other is not each]

    def _refuse_what_takes_the_place_of_a_gradient(self) -> None:
        """Refuse a list of gradients that holds a parameter itself where another's gradient is missing."""
        pairs = [
            pair for pair in self.result.pairs if not pair.is_change and pair.found not in self.variables
        ]
        lists = {_list(pair.found): pair for pair in pairs if _list(pair.found) is not None}
        free = [leaf for leaf in self._used() if role_of(of_path(leaf.path).name) in {*TRAINED, "other"}]
        for path, (thing, value) in self.final.items():
            beside = lists.get(_list(path))
            if beside is None or value not in self.found.of or value is None or not was_there(value):
                continue
            alike = [leaf for leaf in free if path != leaf.path and np.shape(thing) == leaf.array.shape]
            if alike:
                free.remove(alike[0])
                self.result.ambiguous.append(
                    f"{shown(path)}, beside the gradient for {shown(beside.leaf)}, is an argument of the "
                    f"loss, and {shown(alike[0].path)} gets no gradient: return that, or say "
                    f"--of '{shown(beside.found)}={shown(beside.leaf)}' to judge this one alone"
                )

    def _refuse_what_is_not_written(self) -> None:
        """Refuse an array for a gradient that the call leaves as it was, beside gradients that it writes."""
        owners = {of_path(pair.found).owner for pair in self.result.pairs if not pair.is_change} - {""}
        for path, (thing, value) in self.final.items():
            name = of_path(path)
            if name.owner not in owners or not name.is_key or value is None or not was_there(value):
                continue
            kept = Candidate(path, name, value, np.asarray(thing), False)
            for leaf in self._used():
                if kept.array.shape == leaf.array.shape and in_other_case(kept, leaf):
                    self.result.ambiguous.append(
                        f"{shown(path)}, where the gradient for {shown(leaf.path)} belongs, is not written"
                    )

    def _used(self) -> list[Leaf]:
        return [leaf for leaf in self._free() if adjoint_by(self.found, leaf) is not None]

    def _is_adjoint(self, each: Candidate, leaf: Leaf) -> bool:
        return self._is_near(each.array, leaf)

    def _is_near(self, array: np.ndarray, leaf: Leaf) -> bool:
        right = adjoint_by(self.found, leaf)
        size = 0.0 if right is None else float(np.abs(right).max(initial=0.0))
        return size > 0 and bool((np.abs(array - right) <= NEAR * size).all())

    # The user's assignments.

    def _candidate(self, text: str) -> Candidate:
        wanted = _plain(text)
        for each in self.left:
            if wanted in (_plain(each.path), _plain(_whole(each))) or (
                wanted == each.name.name and not each.name.at
            ):
                return each
        near = [each for each in self.left if _plain(each.path).endswith(wanted)]
        if len(near) == 1:
            return near[0]
        listed = ", ".join(shown(_whole(each)) for each in self.left) or "none"
        raise NotJudged(f"there is no gradient {text} for --of; the call's gradients are {listed}")

    def _leaf(self, text: str) -> Leaf:
        wanted = _plain(text)
        near = [leaf for leaf in self.leaves if _plain(leaf.path) == wanted]
        near = near or [leaf for leaf in self.leaves if _plain(leaf.path).endswith(wanted)]
        if len(near) != 1:
            listed = ", ".join(shown(leaf.path) for leaf in self.leaves)
            raise NotJudged(f"there is no array {text} for --of; the call reads {listed}")
        return near[0]


def _whole(each: Candidate) -> str:
    return (
        each.path if each.name.name == "return" else each.name.name + "".join(f"[{i}]" for i in each.name.at)
    )


def _is_mask(leaf: Leaf) -> bool:
    """Whether an array contains only 0 and 1, and both: a mask, or labels."""
    return set(np.unique(leaf.array)) == {0.0, 1.0}


def _list(path: str) -> str | None:
    """Return the path of the list, tuple or dictionary that something is in."""
    return path[: path.rindex("[")] if path.endswith("]") else None


def _plain(text: str) -> str:
    return re.sub(r"\s", "", text).replace('"', "'")
