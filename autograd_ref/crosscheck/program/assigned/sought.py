"""Find the loss of a program that does not compute it: the usual loss whose gradients it computes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.assigned.assign import assign
from autograd_ref.crosscheck.program.assigned.gradients import candidates
from autograd_ref.crosscheck.program.assigned.losses import find_loss, own_losses
from autograd_ref.crosscheck.program.calling.forms import Form, with_expression, with_variables
from autograd_ref.crosscheck.program.paths import is_of_gradients
from autograd_ref.crosscheck.program.views import adjoint_by
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Recording, Value, adjoints, record_or_undo
from autograd_ref.recording.tape import Compute, Given, Read

__all__ = ["seek_loss"]

# The largest distance of a gradient from a loss's gradient.
NEAR = 1e-4
# The largest number of pairs of an output and a target to try.
MOST = 4


class _Array(NamedTuple):
    """The array that the program has under a name at its end."""

    text: str
    value: Value
    array: np.ndarray


def seek_loss(form: Form, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """Find the loss whose gradients a call computes.

    Args:
        form: the form of the call.
        args: its arguments.
        kwargs: its keyword arguments.

    Returns:
        The variable in which the function keeps its loss. Without one, an expression in the function's own
        names that fits most gradients of the call; None if none fits, or if several fit equally.

    Raises:
        NotJudged: the gradients fit a multiple of the variable, or there are several variables.
    """
    recording = _recorded(with_variables(form.results[1]), args, kwargs)
    if recording is None:
        return None
    own, is_sure = own_losses(recording, "return")
    if len(own) > 1:
        raise NotJudged(
            f"it has several losses, {', '.join(own)}: put each into a function of its own with its "
            f"gradients, or say which one all gradients belong to, --loss '{own[0]}'"
        )
    texts = own if is_sure else list(dict.fromkeys([*own, *_usual(recording)]))
    fitting = _fitting(form, texts, args, kwargs) if texts else {}
    best = max(fitting.values(), default=0)
    chosen = [text for text, count in fitting.items() if count == best]
    if own and (own[0] in fitting or not chosen):
        return own[0]
    if is_sure:
        raise NotJudged(
            f"it returns no loss, and its gradients belong to {chosen[0]}: say what is meant, "
            f"--loss '{own[0]}' or --loss '{chosen[0]}'"
        )
    return chosen[0] if best and len(chosen) == 1 else None


def _fitting(
    form: Form, texts: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, int]:
    """Return the number of gradients that fit each loss, or a usual multiple of it."""
    every = with_expression(
        form.results[1], f"[{', '.join(texts)}]", {}, leaves_variables=form.leaves_variables
    )
    recording = _recorded(every, args, kwargs)
    fitting: dict[str, int] = {}
    if recording is None:
        return fitting
    for i, text in enumerate(texts):
        for multiple, count in _fits(recording, f"return[0][{i}]", every.results[0]).items():
            fitting[multiple + text] = max(count, fitting.get(multiple + text, 0))
    return fitting


def _recorded(form: Form, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording | None:
    try:
        recording = record_or_undo(form.function, args, kwargs)
    except Exception:
        return None
    recording.before.restore()
    return recording


def _usual(recording: Recording) -> Iterator[str]:
    """Yield the usual losses of outputs that the program compares with targets."""
    named = list(_named(recording))
    by_value = {_read(each.value): each for each in reversed(named)}
    pairs, halves = [], []
    for value in recording.tape.values:
        if isinstance(value.operation, Compute) and value.operation.name == "subtract":
            sides = [by_value[_read(each)] for each in value.inputs if _read(each) in by_value]
            difference = by_value.get(_read(value))
            if len(sides) == 2 and sides[0].array.shape == sides[1].array.shape:
                output, target = sorted(sides, key=_is_given)
                pairs.append((output.text, target.text, f"({output.text} - {target.text})"))
            elif len(sides) == 1 and _is_given(sides[0]) and difference is not None:
                # error = x @ w - y, or y - x @ w: the output is error + y, or y - error.
                (target,), error = sides, difference.text
                is_second = _read(value.inputs[1]) == _read(target.value)
                output_text = f"({error} + {target.text})" if is_second else f"({target.text} - {error})"
                if target.array.shape == difference.array.shape:
                    halves.append((output_text, target.text, error))
    for a, y, error in [*pairs[:MOST], *halves[-MOST:]]:
        yield f"0.5 * np.sum({error} ** 2)"
        yield f"-np.sum({y} * np.log({a}))"
        yield f"-np.sum({y} * np.log({a}) + (1 - {y}) * np.log(1 - {a}))"
    labels = [each for each in named if each.array.dtype.kind in "iu" and each.array.ndim == 1]
    for axis in (1, 0):
        chances = [each for each in named if _are_chances(each.array, axis)]
        for y in labels:
            for p in chances[-1:]:
                if len(y.array) == p.array.shape[1 - axis]:
                    places = (f"np.arange(len({y.text}))", y.text)[:: 1 if axis else -1]
                    yield f"-np.sum(np.log({p.text}[{', '.join(places)}]))"


def _read(value: Value) -> tuple[Value, Any]:
    """Return a value, or its memory and position, which are the same for repeated reads."""
    return (value.inputs[0], value.operation) if isinstance(value.operation, Read) else (value, None)


def _named(recording: Recording) -> Iterator[_Array]:
    """The arrays that the function's variables, and what it returned, lead to."""
    for path, (thing, value) in recording.final.items():
        if value is None or not isinstance(thing, np.ndarray):
            continue
        text = path.removeprefix("return")
        if path.startswith("return['"):
            name, _, rest = text.removeprefix("['").partition("']")
            text = name + rest
        if not is_of_gradients(text):
            yield _Array(text, value, thing)


def _is_given(each: _Array) -> bool:
    return isinstance(each.value.operation, Given | Read)


def _are_chances(array: np.ndarray, axis: int) -> bool:
    """Whether the rows of a matrix, along axis 1, or its columns are probabilities."""
    if array.ndim != 2 or array.dtype.kind != "f" or array.shape[axis] < 2:
        return False
    return bool((array >= 0).all() and np.allclose(array.sum(axis=axis), 1, atol=1e-5))


def _fits(recording: Recording, path: str, result: str) -> dict[str, int]:
    """Return the number of fitting gradients for each usual multiple of a loss that fits any of them."""
    try:
        loss = find_loss(recording, path)
    except NotJudged:
        return {}
    found = adjoints(recording, loss.value)
    pairs = assign(recording, found, candidates(recording, found, loss, {}, result), {}).pairs
    leaves = {leaf.path: leaf for leaf in recording.leaves}
    factors: list[float] = []
    for pair in pairs:
        right = adjoint_by(found, leaves[pair.leaf])
        thing, _ = recording.final.get(pair.found, (None, None))
        if right is None and np.any(thing):
            return {}  # the gradient of another loss, too
        if right is None or thing is None or np.shape(thing) != right.shape or not np.isfinite(right).all():
            continue
        hand = np.asarray(thing, np.float64)
        if pair.is_change:
            hand = np.asarray(found.arrays[leaves[pair.leaf].value.number], np.float64) - hand
        factor = float(np.vdot(hand, right)) / (float(np.vdot(right, right)) or np.inf)
        if factor > 0 and np.abs(hand - factor * right).max() <= NEAR * np.abs(hand).max():
            factors.append(factor)
    if factors and all(pair.is_change for pair in pairs):  # by a step of any size
        return {"": sum(abs(each / factors[0] - 1) < NEAR for each in factors)}
    made = [thing for thing, _ in recording.final.values() if np.ndim(thing)]
    sizes = {n for array in made for n in (len(array), array.size)}
    usual = {2 / n: f"2 / {n} * " for n in sizes if n} | {1 / n: f"1 / {n} * " for n in sizes if n}
    usual |= {1.0: "", 2.0: "2 * "}
    counts = {
        said: sum(abs(each / multiple - 1) < NEAR for each in factors) for multiple, said in usual.items()
    }
    return {said: count for said, count in counts.items() if count}
