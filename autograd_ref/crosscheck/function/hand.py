"""Calls of the hand-written function: its arguments, its results, and the changes it makes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.errors import failed, file_of
from autograd_ref.crosscheck.function.cancelling import finer_precision
from autograd_ref.crosscheck.function.points import Point
from autograd_ref.crosscheck.function.pytrees import (
    Leaf,
    copy_arrays,
    find_leaf,
    leaves_with_paths,
    parameter_leaves,
)
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.two_layer_net import precision

__all__ = ["Answer", "Hand", "changed_names"]


class Answer(NamedTuple):
    """The result of a call, in float64.

    Attributes:
        loss: one number; None if hand does not compute a loss.
        grads: the gradients, in the order of the parameters.
        dtypes: the lowest precision of the results, as a name from NumPy or ml_dtypes.
        changed: the positions of the leaves of (params, args) that the call changed.
        added: whether it added something to one of their containers.
    """

    loss: np.ndarray | None
    grads: list[np.ndarray]
    dtypes: list[str]
    changed: tuple[int, ...]
    added: bool


class Hand:
    """The hand's function; every call gets copies of everything, in the checked precision."""

    def __init__(self, function: Callable[..., Any], dtype: DTypeLike) -> None:
        self.function, self.dtype = function, np.dtype(dtype)
        self.floating_errors = np.geterr()

    def answer(self, point: Point) -> Answer:
        """Return the loss and the gradients at a point.

        Raises:
            NotJudged: hand raised, or did not return a loss with gradients.
        """
        leaves = parameter_leaves(point.params)
        params, args = copy_arrays((point.params, point.args), self.dtype)
        result = self.call(params, args, self.dtype)
        loss, grads = _parts(result, point.params)
        found = [_real(f"d{leaf.name}", find_leaf(grads, leaf, point.params)) for leaf in leaves]
        value = None if loss is None else _real("loss", loss)
        if value is not None and value[0].size != 1:
            raise NotJudged(
                f"hand must return (loss, grads) with one number as the loss, not {_told(loss)}: "
                "return (None, grads) if it does not compute a loss"
            )
        changed, added = _changes((params, args), (point.params, point.args))
        return Answer(
            None if value is None else value[0].reshape(()),
            [array for array, _ in found],
            [dtype for _, dtype in found],
            changed,
            added,
        )

    def finer(self) -> "Hand | None":
        """Return the same function in the next finer precision; None if there is none."""
        dtype = finer_precision(self.dtype)
        return None if dtype is None else Hand(self.function, dtype)

    def finer_answer(self, point: Point) -> Answer | None:
        """Return the answer in the next finer precision; None if hand does not run in it."""
        finer = self.finer()
        try:
            return None if finer is None else finer.answer(point)
        except NotJudged:
            return None

    def call(self, params: Any, args: tuple[Any, ...], dtype: DTypeLike) -> Any:
        """Call the function on exactly these objects."""
        try:
            # Use the caller's settings; changes that the function makes to them are undone.
            with (
                np.errstate(**self.floating_errors),
                precision(np.float32 if np.dtype(dtype) == np.float32 else np.float64),
            ):
                return self.function(params, *args)
        except (Exception, SystemExit) as error:
            raise NotJudged(failed("hand", error, file_of(self.function))) from error


def _parts(result: Any, params: Any) -> tuple[Any, Any]:
    """Return the loss and the gradients; gradients of a list may also follow the loss one by one."""
    if isinstance(result, tuple | list):
        if len(result) == 2:
            if isinstance(params, Mapping) and isinstance(result[0], Mapping):
                raise NotJudged("hand must return (loss, grads), not (grads, loss)")
            return result[0], result[1]
        if isinstance(params, tuple | list) and len(result) == 1 + len(params):
            return result[0], list(result[1:])
    laid_out = "" if not isinstance(params, Mapping) else f", grads a dict with {', '.join(map(str, params))}"
    raise NotJudged(
        f"hand must return (loss, grads){laid_out}, or (None, grads) if it does not compute a loss, "
        f"not {_told(result)}"
    )


def _told(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None or isinstance(value, Mapping):
        return "None" if value is None else "a dict"
    if isinstance(value, jax.Array):
        return "an array of JAX: pass hand first, then reference"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if not shape else f"an array of shape {tuple(shape)}"


def _real(name: str, value: Any) -> tuple[np.ndarray, str]:
    """Return a value as real numbers in float64, and its own dtype."""
    if value is None:
        raise NotJudged(f"hand's {name} is None, not an array")
    try:
        array = np.asarray(_detached(value))
        if array.dtype.kind not in "fiuV":
            raise TypeError(f"it holds {array.dtype}")
        return np.array(array, np.float64), str(getattr(value, "dtype", array.dtype)).removeprefix("torch.")
    except (TypeError, ValueError, RuntimeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise NotJudged(
            f"hand's {name} is not an array of real numbers: {type(error).__name__}: {first}"
        ) from error


def _detached(value: Any) -> Any:
    """Return a torch tensor without its graph, in a dtype that NumPy has."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach()
    return tensor.double() if tensor.is_floating_point() else tensor


def _changes(now: Any, before: Any) -> tuple[tuple[int, ...], bool]:
    """Return the positions of a tree's changed leaves, and whether leaves were added."""
    kept = _without_new_keys(now, before)
    after = {_key(path): leaf for path, leaf in leaves_with_paths(kept, "params and args after the call")}
    changed = []
    known = leaves_with_paths(before, "params and args")
    for position, (path, leaf) in enumerate(known):
        if _key(path) not in after or not _equal(after[_key(path)], leaf):
            changed.append(position)
    added = kept is not now or bool(after.keys() - {_key(path) for path, _ in known})
    return tuple(changed), added


def _without_new_keys(now: Any, before: Any) -> Any:
    """Return the tree without new keys in its dicts, because they may not be sortable among the others."""
    if isinstance(now, dict) and isinstance(before, dict):
        parts: Any = {key: _without_new_keys(now[key], each) for key, each in before.items() if key in now}
    elif type(now) is type(before) and type(now) in (list, tuple) and len(now) == len(before):
        parts = type(now)(_without_new_keys(a, b) for a, b in zip(now, before, strict=True))
    else:
        return now
    same = len(parts) == len(now) and all(a is b for a, b in zip(_values(parts), _values(now), strict=True))
    return now if same else parts


def _values(tree: Any) -> list[Any]:
    return list(tree.values() if isinstance(tree, dict) else tree)


def _key(path: Sequence[Any]) -> str:
    return jax.tree_util.keystr(tuple(path))


def _equal(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) == isinstance(other, np.ndarray)
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def changed_names(point: Point, positions: Sequence[int]) -> list[str]:
    """Return the names of leaves of (params, args)."""
    leaves: list[Leaf] = parameter_leaves(point.params)
    paths = [path for path, _ in leaves_with_paths(point.args, "args")]
    names = [leaf.name for leaf in leaves] + [f"args{jax.tree_util.keystr(path)}" for path in paths]
    return [names[i] for i in positions]
