"""The run-time type checker of the tests: beartype, to which an int is a float as PEP 484 has it."""

from contextlib import contextmanager

import jaxtyping
from beartype import BeartypeConf, beartype

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function):
    """Check a function's types, unless it is nested: each call of the outer one would decorate it anew."""
    return function if "<locals>" in function.__qualname__ else _checked(function)


@contextmanager
def unchecked():
    """As users call it: without these checks, which also take most of the time of many small steps."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
