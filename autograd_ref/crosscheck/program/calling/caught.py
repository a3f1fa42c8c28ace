"""The call that an expression makes: its arguments, caught when the named function is called."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording.call.given import Given
from autograd_ref.recording.call.reachable import Walk

__all__ = ["Call", "catch", "evaluate", "has_floating", "in_dtype", "seeded"]


class Call(NamedTuple):
    """A call that was intercepted.

    Attributes:
        args: its arguments; the object first, for a method.
        kwargs: its keyword arguments.
        names: the variables of the expression that made it.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: dict[str, Any]


class _Caught(BaseException):
    """Ends the expression, because everything after the call is irrelevant."""


def seeded(seed: int, point: int) -> np.random.Generator:
    """Seed NumPy's and Python's global generators, and return a third one for the expression."""
    rng = np.random.default_rng([seed, point])
    np.random.seed(int(rng.integers(2**32)))
    random.seed(int(rng.integers(2**32)))
    return np.random.default_rng([seed, point])


def catch(owner: Any, name: str, text: str, space: Mapping[str, Any], file: str, nth: int) -> Call:
    """Evaluate an expression or statements up to a call.

    Args:
        owner: the module or class that contains the function.
        name: name of the function.
        text: the expression.
        space: the names available to it.
        file: file of the program.
        nth: the number of the wanted call among the calls with floating arrays, from 1.

    Returns:
        The call.

    Raises:
        NotJudged: the expression fails, or does not call the function often enough.
    """
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    floating = 0
    names = dict(space)
    known = set(names)

    def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nonlocal floating
        calls.append((args, kwargs))
        if has_floating(args, kwargs):
            floating += 1
            if floating == nth:
                raise _Caught

    with _trapped(owner, name, note, names), suppress(_Caught):
        evaluate(text, names, file)
    told = getattr(owner, "__qualname__", None)
    whole = f"{told}.{name}" if told else name
    if not calls:
        raise NotJudged(f"--call never calls {whole}: write --call '{whole}(...)'")
    if floating < nth and (nth > 1 or floating):
        times = "once" if floating == 1 else f"{floating} times"
        raise NotJudged(f"--call calls {whole} with floating arrays only {times}: too few for --nth {nth}")
    args, kwargs = calls[-1] if floating else calls[0]
    return Call(args, kwargs, {key: each for key, each in names.items() if key not in known})


def evaluate(text: str, names: dict[str, Any], file: str) -> None:
    """Run the expression or statements of ``--call``.

    Args:
        text: the expression.
        names: the names available to it; its own variables are added.
        file: file of the program, for the lines of its exceptions.

    Raises:
        NotJudged: it fails.
    """
    try:
        exec(compile(text, "<call>", "exec"), names)  # noqa: S102 - it is the user's own, as is the file
    except SyntaxError as error:
        raise NotJudged(f"--call is not Python: {error.msg}: {(error.text or text).strip()}") from None
    except (Exception, SystemExit) as error:
        seen = "; it sees np, rng and the names of the file" if isinstance(error, NameError) else ""
        raise NotJudged(failed("--call", error, file) + seen) from error


def in_dtype(call: Call, function: Callable[..., Any], dtype: str | None) -> Call:
    """Convert all floating arrays that a call can reach to one dtype, in place; None leaves each its own."""
    if dtype is None:
        return call
    given = Given(function, call.args, call.kwargs)

    def cast(path: str, thing: Any) -> Any:
        floats = (
            isinstance(thing, (np.ndarray, np.generic)) and thing.dtype.kind == "f" and thing.dtype != dtype
        )
        return thing.astype(dtype) if floats else thing

    given.walk(Walk(cast, given.module))
    return call._replace(args=given.args, kwargs=given.kwargs)


@contextmanager
def _trapped(owner: Any, name: str, note: Callable[..., None], names: dict[str, Any]) -> Iterator[None]:
    held = inspect.getattr_static(owner, name)
    inner = held.__func__ if isinstance(held, (staticmethod, classmethod)) else held

    @functools.wraps(inner)
    def trap(*args: Any, **kwargs: Any) -> Any:
        note(args, kwargs)
        return inner(*args, **kwargs)

    placed: Any = type(held)(trap) if isinstance(held, (staticmethod, classmethod)) else trap
    setattr(owner, name, placed)
    if names.get(name) is held:
        names[name] = placed
    try:
        yield
    finally:
        setattr(owner, name, held)


def has_floating(args: Any, kwargs: Any) -> bool:
    """Whether a call can reach a floating array by its arguments."""
    found = False

    def look(path: str, thing: Any) -> Any:
        nonlocal found
        found = found or (isinstance(thing, (np.ndarray, np.generic)) and thing.dtype.kind == "f")
        return thing

    walk = Walk(look)
    for each in (args, kwargs):
        walk.visit("", each)
    return found
