"""Find the loss among the results of a call."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.assigned.returned import renamed
from autograd_ref.crosscheck.program.guessed.roles import role_of
from autograd_ref.crosscheck.program.paths import cores, holder, is_of_gradients, of_path
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Recording, Value
from autograd_ref.recording.adjoints.reverse import ancestors

__all__ = ["Loss", "NoLoss", "climbs", "find_loss", "own_losses"]

_SURE = re.compile(r"^(?:total_?)?(?:loss|cost|objective|J)$", re.IGNORECASE)
_NAMED = re.compile(
    r"^(?:\w*loss\w*|\w*cost|\w*objective|err|error|mse|nll|energy|elbo|J|E|L|f|fun|value|total)$",
    re.IGNORECASE,
)
# Variables that may be the loss, if none has such a name; others only watch the training.
_PERHAPS = re.compile(
    r"^(?!(?:val|valid|validation|test|dev|eval|best|prev|old|last|running|avg|mean|final|min)_)"
    r"(?:\w+_)?(?:loss|cost|objective|nll|elbo|energy|ll|log_?lik(?:e(?:lihood)?)?)_?$",
    re.IGNORECASE,
)
_CLIMBS = re.compile(
    r"^(?!neg|minus|nll)(?:\w+_)?(?:ll|elbo|log_?lik(?:e(?:lihood)?)?|reward)(?:_\w*)?$", re.IGNORECASE
)


class NoLoss(NotJudged):
    """No loss was found in the results of the call."""


class Loss(NamedTuple):
    """The number that is differentiated.

    Attributes:
        path: its path.
        value: its value on the tape.
        number: the number.
    """

    path: str
    value: Value
    number: float


def find_loss(recording: Recording, path: str | None = None, names: Mapping[str, str] | None = None) -> Loss:
    """Find the loss: a number that is returned alone, first, or by name, or that is stored by name.

    Args:
        recording: the recording of the call.
        path: its path, if known.
        names: the names of the results in the return statement.

    Returns:
        The loss.

    Raises:
        NoLoss: there is no loss.
        NotJudged: there is no loss at the given path.
    """
    numbers = {key: found for key, found in recording.final.items() if _is_number(*found)}
    if path is not None:
        if path not in numbers:
            told = _told(recording, path)
            raise NotJudged(f"the loss must be one number computed from the call's arrays, and is {told}")
        return Loss(path, *_found(numbers[path]))
    known = names or {}
    numbers = dict(sorted(numbers.items(), key=_how_sure))
    others = {key for key in numbers if _is_no_loss(recording, renamed(key, known))}
    returned = [key for key in numbers if key.startswith("return") and key not in others]
    order = [
        [key for key in returned if holder(key) == "return"],
        [key for key in returned if holder(key) == "return[0]"],
        [key for key in returned if _says_so(key) or _NAMED.match(known.get(key, ""))],
        [key for key in numbers if key not in returned and _says_so(key)],
        [key for key in returned if len(returned) == 1 and not of_path(key).is_key],
    ]
    for keys in order:
        if keys:
            return Loss(keys[0], *_found(numbers[keys[0]]))
    raise NoLoss(
        "it returns no loss, and stores none under a name that says so: write what its loss is, --loss '0.5 "
        "* np.sum((out - y) ** 2)' (out is what it returned), or give its backward function, --backward NAME"
    )


def own_losses(recording: Recording, prefix: str) -> tuple[list[str], bool]:
    """Find the variables, or attributes of self, in which a function keeps its loss without returning it.

    Args:
        recording: a recording with the function's variables.
        prefix: the prefix of their paths.

    Returns:
        The variables, and whether the name of the only one is surely a loss's. Of several, none is computed
        from the others.
    """
    found = {}
    for path, known in sorted(recording.final.items(), key=_how_sure):
        held, name = holder(path), of_path(holder(path)).name
        texts = {f"{prefix}[{name!r}]": name, f"{prefix}['self'].{name}": f"self.{name}"}
        if held in texts and _is_number(*known):
            text = texts[held] + path.removeprefix(held)
            if _SURE.match(name):
                return [text], True
            if _PERHAPS.match(name):
                found[text] = _found(known)[0]
    parts = {part for value in found.values() for part in ancestors(value) - {value}}
    return sorted(text for text, value in found.items() if value not in parts), False


def climbs(name: str) -> bool:
    """Whether a name says that a number is to be maximised."""
    return _CLIMBS.match(name.removeprefix("self.")) is not None


def _says_so(path: str) -> bool:
    name = of_path(holder(path))
    return name.is_key and not name.at and _NAMED.match(name.name) is not None


def _how_sure(found: tuple[str, tuple[Any, Value | None]]) -> tuple[bool, int]:
    """Return a sort key: numbers named like a loss first, and later ones, which may sum others, first."""
    path, (_, value) = found
    return _SURE.match(of_path(holder(path)).name) is None, -(value.number if value is not None else 0)


def _is_no_loss(recording: Recording, path: str) -> bool:
    """Whether a number's name shows that it is a parameter, an input of the call, or a gradient."""
    name = of_path(holder(path)).name
    if _NAMED.match(name):
        return False
    leaves = {of_path(holder(leaf.path)).name for leaf in recording.leaves}
    is_parameter = role_of(name) in ("weight", "bias")
    return is_parameter or is_of_gradients(path) or not leaves.isdisjoint([name, *cores(name)])


def _is_number(thing: Any, value: Value | None) -> bool:
    return value is not None and value.dtype.kind == "f" and np.size(thing) == 1 and bool(value.inputs)


def _found(found: tuple[Any, Value | None]) -> tuple[Value, float]:
    thing, value = found
    assert value is not None  # noqa: S101
    return value, float(np.asarray(thing, np.float64).reshape(()))


def _told(recording: Recording, path: str) -> str:
    if path not in recording.final:
        return "something else"
    thing, value = recording.final[path]
    if np.shape(thing):
        return f"an array of shape {np.shape(thing)}"
    if value is None:
        return "a number that depends on none of them"
    return "complex" if value.dtype.kind == "c" else f"a number of {value.dtype}"
