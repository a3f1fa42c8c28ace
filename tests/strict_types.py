"""The run-time type checks of the tests: beartype everywhere, shapes as well where jaxtyping names them."""

import functools
import types
from contextlib import contextmanager
from inspect import isclass
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype

# The rooms whose functions are called for every operation of a recording.
BY_OPERATION = ("autograd_ref.recording.", "autograd_ref.crosscheck.")

_jaxtyped = jaxtyping.jaxtyped
# To beartype an int is a float, as PEP 484 has it.
_beartyped = beartype(conf=BeartypeConf(is_pep484_tower=True))


def install(*packages):
    """Check each call of the packages' functions; to be called before they are imported."""
    jaxtyping.jaxtyped = _checked
    jaxtyping.install_import_hook(list(packages), "strict_types.check")


@contextmanager
def unchecked():
    """Switch the checks off, because users may pass arguments of any shape and type."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def check(function):
    """Check a function's types, unless it is nested: each call of the outer one would decorate it anew."""
    return function if "<locals>" in function.__qualname__ else _beartyped(function)


def _checked(thing=None, *, typechecker):
    """The decorator that jaxtyping's hook applies.

    jaxtyping binds the arguments of each call once more, in Python, which takes 20 times as long as a small
    function itself. A function that names no shapes gets beartype alone.
    """
    if thing is None:
        return functools.partial(_checked, typechecker=typechecker)
    if isinstance(thing, types.FunctionType):
        hints = {name: _resolved(hint, thing) for name, hint in thing.__annotations__.items()}
        if not any(map(_names_shapes, hints.values())):
            thing.__annotations__ = hints
            checked, at_once = typechecker(thing), thing.__module__.startswith(BY_OPERATION)
            return checked if at_once or checked is thing else _switched(checked, thing)
    return _jaxtyped(thing, typechecker=typechecker)


def _switched(checked, function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return (function if jaxtyping.config.jaxtyping_disable else checked)(*args, **kwargs)

    return call


def _resolved(hint, function):
    """A hint that is text as what it names; Any where it is imported for the static type checker alone."""
    try:
        return eval(hint, function.__globals__) if isinstance(hint, str) else hint
    except NameError:
        return Any


def _names_shapes(hint):
    if isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_names_shapes, get_args(hint)))
