"""Describe what is wrong with the value of a step, without giving the solution away."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.blame.known import Known, Meaning
from autograd_ref.exercise.running import Ran
from autograd_ref.recording import Value

__all__ = ["Finding", "find"]

NEAR = 1e-8
# A value that agrees to this relative error is right except for an intermediate result of lower precision.
SINGLE = 1e-5


class Finding(NamedTuple):
    """A sentence about a step.

    Attributes:
        id: the key of the sentence in the texts.
        figures: the values of the names in it.
    """

    id: str
    figures: dict[str, Any]


def find(made: Sequence[Any], of: Value, name: str, ran: Ran) -> Finding | None:
    """Say what is wrong with the value of a step.

    Args:
        made: the value at every point.
        of: the forward value whose adjoint it should be.
        name: name of the forward value.
        ran: the run to compare with.

    Returns:
        The finding; None if the value is right.
    """
    if not all(isinstance(each, (np.ndarray, float, int)) for each in made):
        return Finding("no-array", {"kind": type(made[0]).__name__})
    arrays = [np.asarray(each) for each in made]
    right = ran.known.adjoint(of)
    if right is None:
        return Finding("unused", {"of": name})
    if any(each.dtype.kind not in "fiub" for each in arrays):
        return Finding("no-array", {"kind": f"array of {arrays[0].dtype}"})
    arrays = [each.astype(np.float64) for each in arrays]
    if not all(np.isfinite(each).all() for each in arrays):
        return Finding("not-finite", {})
    if arrays[0].shape != right[0].shape:
        return _of_shape(arrays, right, name)
    if all(map(_is_near, arrays, right)):
        return None
    return _of_entries(arrays, right, of, name, ran)


def _is_near(array: np.ndarray, right: np.ndarray, near: float = NEAR) -> bool:
    size = np.abs(right).max(initial=0.0)
    return array.shape == right.shape and bool((np.abs(array - right) <= near * size).all())


def _of_shape(arrays: Sequence[np.ndarray], right: Sequence[np.ndarray], name: str) -> Finding:
    figures = {"of": name, "shape": _shape(arrays[0]), "wanted": _shape(right[0])}
    if all(_is_near(each.T, one) for each, one in zip(arrays, right, strict=True)):
        return Finding("transposed", figures)
    if arrays[0].ndim == right[0].ndim and arrays[0].shape[::-1] == right[0].shape:
        return Finding("shape-transposed", figures)
    more = arrays[0].ndim - right[0].ndim
    if more > 0 and 1 not in arrays[0].shape[:more] and all(map(_is_summed, arrays, right)):
        return Finding("unsummed", figures)
    return Finding("shape", figures)


def _is_summed(array: np.ndarray, right: np.ndarray) -> bool:
    over = tuple(range(array.ndim - right.ndim))
    return _is_near(array.sum(axis=over), right)


def _of_entries(
    arrays: Sequence[np.ndarray], right: Sequence[np.ndarray], of: Value, name: str, ran: Ran
) -> Finding:
    if all(_is_near(each, one, SINGLE) for each, one in zip(arrays, right, strict=True)):
        return Finding("imprecise", {"of": name})
    if not any(each.any() for each in arrays):
        return Finding("zero", {"of": name})
    if arrays[0].ndim == 2 and all(_is_near(each.T, one) for each, one in zip(arrays, right, strict=True)):
        return Finding("transposed-square", {"of": name})
    factor = _factor(arrays, right)
    if factor is not None:
        return _of_factor(factor, name, ran)
    parts = _parts(arrays, of, ran.known)
    if parts is not None:
        return Finding("parts", {"of": name, "parts": parts})
    meanings = [each for each in ran.known.meanings(arrays, arrays[0].shape) if each.of is not of]
    named = [each for each in meanings if ran.name_of(each.of) is not None and each.kind == "adjoint"]
    if named:
        return _of_another(named[0], name, ran)
    return _of_some(arrays, right, name)


def _factor(arrays: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> float | None:
    """Return the common factor by which all entries are too large; None if there is none."""
    a, b = np.concatenate([x.ravel() for x in arrays]), np.concatenate([x.ravel() for x in right])
    if a.size < 2 or not b.any():
        return None
    factor = float(a @ b) / float(b @ b)
    return factor if (np.abs(a - factor * b) <= NEAR * np.abs(a).max()).all() else None


def _of_factor(factor: float, name: str, ran: Ran) -> Finding:
    if abs(factor + 1) < NEAR:
        return Finding("sign", {"of": name})
    sizes = {
        size: key
        for notes in ran.notes[:1]
        for key, size in notes.numbers.items()
        if size > 1 and len(key) <= 3
    }
    for whole, text in ((abs(factor), "{}"), (1 / abs(factor), "1/{}")):
        size = sizes.get(round(whole))
        if size is not None and abs(whole - round(whole)) < NEAR:
            sign = "-" if factor < 0 else ""
            return Finding(
                "count", {"of": name, "factor": sign + text.format(size), "number": f"{factor:.6g}"}
            )
    return Finding("factor", {"of": name, "factor": f"{factor:.6g}"})


def _parts(arrays: Sequence[np.ndarray], of: Value, known: Known) -> list[tuple[int, str]] | None:
    """Return the lines whose part of the adjoint is missing or scaled, with the factor."""
    by_line: dict[int, list[np.ndarray]] = {}
    for use in known.uses_of(of):
        place = use[0].place
        if place is None:
            return None
        contribution = known.contribution(use)
        held = by_line.get(place.line)
        added = contribution if held is None else [a + b for a, b in zip(held, contribution, strict=True)]
        by_line[place.line] = list(added)
    if not 2 <= len(by_line) <= 6:
        return None
    columns = np.stack([np.concatenate([x.ravel() for x in each]) for each in by_line.values()], axis=1)
    wanted = np.concatenate([x.ravel() for x in arrays])
    if columns.shape[0] <= 2 * columns.shape[1] or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return None
    weights = np.linalg.lstsq(columns, wanted, rcond=None)[0]
    if not (np.abs(columns @ weights - wanted) <= NEAR * np.abs(wanted).max()).all():
        return None
    return [
        (line, f"{0.0 if abs(weight) < NEAR else weight:.6g}")
        for line, weight in zip(by_line, weights, strict=True)
        if abs(weight - 1) > NEAR
    ]


def _of_another(meaning: Meaning, name: str, ran: Ran) -> Finding:
    other = ran.name_of(meaning.of)
    if abs(meaning.factor - 1) < NEAR and meaning.order == "same":
        return Finding("another", {"of": name, "other": other})
    return Finding("another-scaled", {"of": name, "other": other, "factor": f"{meaning.factor:.6g}"})


def _of_some(arrays: Sequence[np.ndarray], right: Sequence[np.ndarray], name: str) -> Finding:
    """Count the right entries, and name the first wrong one."""
    array, one = arrays[0], right[0]
    is_wrong = np.abs(array - one) > NEAR * np.abs(one).max(initial=0.0)
    if not is_wrong.any():  # all entries are right at the first point
        array, one = arrays[-1], right[-1]
        is_wrong = np.abs(array - one) > NEAR * np.abs(one).max(initial=0.0)
    index = tuple(int(i) for i in np.argwhere(is_wrong)[0])
    count = int(is_wrong.size - is_wrong.sum())
    figures = {
        "of": name,
        "index": f"[{', '.join(map(str, index))}]" if index else "",
        "is": f"{float(array[index]):.6g}",
        "wanted": f"{float(one[index]):.6g}",
        "right": count,
        "all": int(is_wrong.size),
    }
    return Finding("some" if count else "entries", figures)


def _shape(array: np.ndarray) -> str:
    return str(array.shape)
