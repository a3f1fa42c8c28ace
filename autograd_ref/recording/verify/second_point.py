"""Compare a replay with a plain run at a second point: a value that left the tape does not change there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_ref.arithmetic.rounding import unit_roundoff
from autograd_ref.recording.call.state import State
from autograd_ref.recording.memory import are_same
from autograd_ref.recording.place import Place
from autograd_ref.recording.record import Recording, record
from autograd_ref.recording.replay import replay
from autograd_ref.recording.tape import Given, NotRecorded, Value
from autograd_ref.recording.verify.complex_literals import complex_literal

__all__ = ["NotCompared", "check_complete"]

# Sizes of moves of a leaf, relative to its root mean square, and whether arrays of different whole numbers
# move, too: labels and masks decide branches. The later ones are tried if a branch changes.
_STEPS = ((2e-2, True), (1e-3, True), (3e-5, True), (1e-6, True), (1e-3, False), (1e-6, False))
# Replays at points that differ by rounding.
_DRAWS = 4


class NotCompared(Exception):  # noqa: N818
    """No second point could be compared, so it is unknown whether a value left the tape; with the reason."""


def check_complete(recording: Recording, seed: int = 0) -> float:
    """Find values that left the tape: at a second point nearby, a plain run and the replay must agree.

    The call is repeated without recording, with its leaves moved; afterwards everything is restored to the
    state after the recorded run.

    Args:
        recording: the recording of a call that can be repeated.
        seed: seed of the moves.

    Returns:
        The relative size of the moves to the point that agreed.

    Raises:
        NotRecorded: a value left the tape; with the place of the first operation that the replay did not
            predict.
        NotCompared: every point tried took another branch or failed, or the call is not repeatable.
    """
    exact = replay(recording.tape)
    after = State(recording.visit, recording.module)
    reasons: dict[str, None] = {}
    movable = {value for value, _ in recording.movable()}
    if recording.leaves and not any(each in movable for leaf in recording.leaves for each in leaf.sources):
        raise NotCompared("the arrays of the call are in memory that cannot be written to")
    try:
        for number, (step, every) in enumerate(_STEPS):
            rng = np.random.default_rng((seed, number))
            moved = {
                value: _moved(array, step, rng)
                for value, array in recording.movable()
                if every or not _is_of_labels(array)
            }
            if not (moved or every):
                break
            try:
                foreseen = replay(recording.tape, moved)
            except (IndexError, ValueError):  # as of a mask that selects another number of entries
                reasons["the program takes another index there"] = None
                continue
            elsewhere = _steered_elsewhere(recording, exact, foreseen)
            if elsewhere is not None:
                reasons[f"{elsewhere.place}: the program takes another branch or index there"] = None
                continue
            try:
                found = _plain_run(recording, moved)
            except Exception as error:
                reasons[f"the call fails there ({type(error).__name__}: {error})"] = None
                continue
            shaken: list[Sequence[np.ndarray]] = []
            if _agrees(recording, found, exact, foreseen, shaken):
                return step
            shaken = _shaken(recording, moved, rng)
            if _agrees(recording, found, exact, foreseen, shaken):
                return step
            steady = _steady(found, _plain_run(recording, moved))
            if any(
                value is not None and path in found and path not in steady
                for path, (_, value) in recording.final.items()
            ):
                reasons["the call gives other numbers each time (random numbers without a seed?)"] = None
                continue
            if _agrees(recording, steady, exact, foreseen, shaken):
                return step
            unforeseen = _first_unforeseen(recording, moved, exact, foreseen, shaken)
            if unforeseen is not None:
                raise unforeseen
            reasons["a second recording takes another branch there"] = None
    finally:
        after.restore()
    raise NotCompared(
        "no second point could be compared with the replay, so a value may have left the tape unseen: "
        + "; ".join(reasons)
    )


def _steady(found: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """Return the results that were equal when the call was repeated at the same point, without clocks."""
    return {
        path: each
        for path, each in found.items()
        if path in again and are_same(np.asarray(each), np.asarray(again[path]))
    }


@np.errstate(all="ignore")  # what np.empty left in memory may be of any size
def _moved(array: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    size = float(np.sqrt(np.mean(np.square(np.abs(array), dtype=np.float64)))) if array.size else 0.0
    move = step * (size if 0 < size < np.inf else 1.0) * rng.uniform(0.3, 1.0, array.shape)
    moved = array + move * rng.choice([-1.0, 1.0], array.shape)
    return np.asarray(moved).astype(array.dtype)


def _is_of_labels(array: np.ndarray) -> bool:
    """Whether an array has different whole numbers, such as labels, a mask, or an adjacency matrix."""
    return bool(np.all(array == np.round(array)) and np.any(array != array.flat[0])) if array.size else False


def _steered_elsewhere(
    recording: Recording, exact: Sequence[np.ndarray], foreseen: Sequence[np.ndarray]
) -> Value | None:
    """Return the decision that would make the program take another branch or index at the moved point."""
    for control in recording.tape.controls:
        value, then = control.value, control.array
        if control.kind == "float":
            continue
        now = foreseen[value.number]
        if value.is_floating:
            now, then = now != 0, None if then is None else then != 0
        # In float64 a loop may run differently than in float32: such a decision proves nothing.
        if (
            then is not None
            and np.array_equal(exact[value.number] != 0, then != 0)
            and not np.array_equal(now, then)
        ):
            return value
    return None


def _plain_run(recording: Recording, moved: dict[Value, np.ndarray]) -> dict[str, Any]:
    """Return the results of the call at the moved point."""
    with _at(recording, moved):
        return recording.collect(recording.call())


@contextmanager
def _at(recording: Recording, moved: dict[Value, np.ndarray]) -> Iterator[None]:
    """Put the program's arrays at the moved point, where warnings say nothing new."""
    recording.before.restore()
    recording.put(moved)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        yield


def _shaken(
    recording: Recording, moved: dict[Value, np.ndarray], rng: np.random.Generator
) -> list[Sequence[np.ndarray]]:
    """Replay at points that differ by the coarsest rounding on the tape, to measure its effect on each value.

    The distance of one plain run from one replay is not enough, because a sum may be rounded well by chance.
    """
    u = max(unit_roundoff(value.dtype) for value in recording.tape.values if value.is_floating)
    return [
        replay(
            recording.tape,
            {
                value: np.asarray(
                    np.asarray(array, np.float64) * (1 + u * rng.choice([-1.0, 1.0], array.shape))
                )
                for value, array in moved.items()
            },
        )
        for _ in range(_DRAWS)
    ]


def _agrees(
    recording: Recording,
    found: dict[str, Any],
    exact: Sequence[np.ndarray],
    foreseen: Sequence[np.ndarray],
    shaken: list[Sequence[np.ndarray]],
) -> bool:
    for path, (thing, value) in recording.final.items():
        there = found.get(path)
        if there is None or np.shape(there) != np.shape(thing) or np.asarray(thing).dtype.kind != "f":
            continue
        held = np.asarray(thing, np.float64)
        dtype = np.asarray(thing).dtype
        if value is None:
            before, now, around = held, held, []
        else:
            before, now = exact[value.number], foreseen[value.number]
            around = [each[value.number] for each in shaken]
        if not _close(np.asarray(there, np.float64), now, held, before, around, dtype):
            return False
    return True


def _close(
    there: np.ndarray,
    now: np.ndarray,
    held: np.ndarray,
    before: np.ndarray,
    around: list[np.ndarray],
    dtype: Any,
) -> bool:
    """Whether two values agree at the moved point as well as at the first, up to rounding."""
    with np.errstate(all="ignore"):
        finite = np.isfinite(there) & np.isfinite(now)
        if not finite.any():
            return True
        roundings = np.stack([np.abs(held - before), *(np.abs(each - now) for each in around)])
        known = np.isfinite(roundings)
        rounding = 64 * (roundings[known].max() if known.any() else 0.0)
        scale = np.abs(now[finite]).max()
        tolerance = rounding + 512 * unit_roundoff(dtype) * scale
        return bool((np.abs(there - now)[finite] <= tolerance).all())


def _decisions(recording: Recording) -> list[tuple[str, bytes]]:
    """Return the values that controlled a run."""
    return [
        (each.kind, np.asarray(array != 0 if each.value.is_floating else array).tobytes())
        for each in recording.tape.controls
        if each.kind != "float" and (array := each.array) is not None
    ]


def _first_unforeseen(
    recording: Recording,
    moved: dict[Value, np.ndarray],
    exact: Sequence[np.ndarray],
    foreseen: Sequence[np.ndarray],
    shaken: list[Sequence[np.ndarray]],
) -> NotRecorded | None:
    """Record the moved point, too, and find the first operation with a different result.

    Returns:
        None if the program took another branch there.
    """
    with _at(recording, moved):
        second = record(recording.given.function, *recording.given.args, **recording.given.kwargs)
    if _decisions(recording) != _decisions(second):
        return None
    literal = complex_literal(recording.tape)
    for mine, other in zip(recording.tape.values, second.tape.values, strict=False):
        if mine.operation != other.operation and not isinstance(mine.operation, Given):
            return NotRecorded("what is done here depends on values that left the tape", mine.place)
        if mine.array is None or other.array is None or mine.dtype.kind != "f" or mine in moved:
            continue
        held, there = (np.asarray(each.array, np.float64) for each in (mine, other))
        around = [each[mine.number] for each in shaken]
        if there.shape != held.shape or not _close(
            there, foreseen[mine.number], held, exact[mine.number], around, mine.dtype
        ):
            used = next((each for each in recording.tape.values if mine in each.inputs), mine)
            return NotRecorded(
                "a value used here left the tape: it changes with the arrays of the call, but how was not "
                f"recorded ({_how(literal, 'C code wrote to plain memory, or took a number out')})",
                mine.place or used.place,
            )
    return NotRecorded(
        "a value left the tape: a plain run at a second point gives another result than the replay, and no "
        f"recorded operation saw it ({_how(literal, 'the computation itself was not recorded')})",
        literal or recording.definition,
    )


def _how(literal: Place | None, otherwise: str) -> str:
    if literal is None:
        return otherwise
    return (
        f"line {literal.line} computes with a complex literal, which Python does itself: "
        "write np.multiply(1j, x) for 1j * x"
    )
