"""A target of the command line whose call is recorded: the origin of the call, and its other half."""

import inspect
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import reduce
from io import StringIO
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.calling.caught import Call, catch, in_dtype, seeded
from autograd_ref.crosscheck.program.calling.forms import (
    Form,
    counterpart,
    with_expression,
    with_variables,
)
from autograd_ref.crosscheck.program.calling.loops import Round
from autograd_ref.crosscheck.program.calling.watch import Met
from autograd_ref.crosscheck.program.check import Prepared, check_points, form_of
from autograd_ref.crosscheck.program.verdict import Settings
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.recording.call.given import Given
from autograd_ref.recording.call.state import State

__all__ = ["Asked", "check_met", "check_round", "check_target", "example_of", "prepare"]


class Asked(NamedTuple):
    """The options of the command line for one recorded target.

    Attributes:
        spec: the target as given.
        call: the expression that calls it; None for a call with the arguments of ``example``.
        nth: the number of the call to judge.
        loss: an expression, or the name of a function.
        backward: the name of a function.
        of: the arrays to which gradients belong.
        points: number of points.
        dtype: dtype of the floating arrays; None keeps their dtypes.
        seed: seed of everything random.
        tolerance: tolerance of the bounds.
        guessed: whether the call was guessed.
        repair_seconds: time limit for the search for a repair; 0 for no search.
        explain: whether to explain what each line computes.
    """

    spec: str
    call: str | None
    nth: int
    loss: str | None
    backward: str | None
    of: dict[str, str]
    points: int
    dtype: str | None
    seed: int
    tolerance: float
    guessed: bool = False
    repair_seconds: float = 0.0
    explain: bool = False


def example_of(module: Any, name: str) -> str | None:
    """Return the name of the function that draws a target's arguments; None if there is none."""
    for known in (f"example_{name.replace('.', '_')}", "example"):
        if callable(getattr(module, known, None)):
            return known
    return None


def check_target(
    module: Any, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Report:
    """Judge the gradients of a call.

    Args:
        module: the module of the target.
        file: file of the module.
        asked: the options.
        on_verdict: called with the report before the search for a repair.

    Returns:
        The report.

    Raises:
        NotJudged: the target cannot be judged; the message says why.
    """
    return check_points(prepare(module, file, asked, on_verdict))


def prepare(
    module: Any, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Prepared:
    """Find the call of a target; arguments and errors as for `check_target`."""
    name = asked.spec.rpartition(":")[2]
    owner, last = _owner(module, name)
    function = getattr(owner, last)
    if inspect.isclass(function):
        owner, last, name = function, "loss", f"{name}.loss"
        if not callable(getattr(owner, last, None)):
            raise NotJudged(
                f"is a class without a method loss: name the method to judge, {asked.spec}.METHOD"
            )
        function = getattr(owner, last)

    if not callable(function):
        raise NotJudged(f"{name} is not a function but {type(function).__name__}: name the function to call")

    def call_at(point: int) -> Call:
        rng = seeded(asked.seed, point)
        example = example_of(module, name)
        if asked.call is None and example is None:
            raise NotJudged(
                f"a call is needed: write --call '{name}(...)', or define "
                f"example_{name.replace('.', '_')}(rng) beside it, which returns its arguments"
            )
        if asked.call is None:
            call = _drawn(module, example or "", rng)
        else:
            space = {**vars(module), "np": np, "rng": rng}
            call = catch(owner, last, asked.call, space, file, asked.nth)
        return in_dtype(call, function, asked.dtype)

    if asked.guessed:
        _try(function, call_at(0))
    return _prepare(module, owner, name, function, call_at, file, asked, on_verdict)


def check_met(
    met: Met, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Report:
    """Judge the gradients of a call that the program itself is about to make.

    Args:
        met: the call.
        file: file of the program.
        asked: the options.
        on_verdict: as for `check_target`.

    Returns:
        The report.

    Raises:
        NotJudged: the call cannot be judged; the message says why.
    """
    name = asked.spec.rpartition(":")[2]
    call = in_dtype(met.call, met.function, asked.dtype)
    head = name.rpartition(".")[0]
    module = SimpleNamespace(**met.space)
    owner = type(call.args[0]) if head and call.args else module
    return check_points(_prepare(module, owner, name, met.function, lambda _: call, file, asked, on_verdict))


def check_round(
    made: Round, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Report:
    """Judge the gradients that one round of a loop computes.

    Args:
        made: the round.
        file: file of the program.
        asked: the options.
        on_verdict: as for `check_target`.

    Returns:
        The report.

    Raises:
        NotJudged: the round cannot be judged; the message says why.
    """
    form = with_variables(made.function)
    if asked.loss is not None:
        form = with_expression(made.function, asked.loss, {}, leaves_variables=True)
    settings = replace(_settings(asked, form, on_verdict), is_round=True)
    call = in_dtype(made.call, made.function, asked.dtype)
    with made.with_arrays():
        return check_points(Prepared(form, lambda _: (call.args, call.kwargs), asked.points, file, settings))


def _prepare(
    module: Any,
    owner: Any,
    name: str,
    function: Any,
    call_at: Callable[[int], Call],
    file: str,
    asked: Asked,
    on_verdict: Callable[[Report], None] | None,
) -> Prepared:
    first = call_at(0)
    loss, backward = _other_half(module, owner, name, asked)
    form = form_of(function, backward, loss, asked.seed, first.names)

    def arguments_at(point: int) -> tuple[Any, Any]:
        call = first if point == 0 else call_at(point)
        return call.args, call.kwargs

    return Prepared(form, arguments_at, asked.points, file, _settings(asked, form, on_verdict))


def _settings(asked: Asked, form: Form, on_verdict: Callable[[Report], None] | None) -> Settings:
    return Settings(
        asked.spec,
        asked.of,
        asked.seed,
        asked.tolerance,
        form.told,
        asked.call,
        form.results[0],
        asked.guessed,
        asked.repair_seconds,
        on_verdict,
        explain=asked.explain,
    )


def _try(function: Any, call: Call) -> None:
    """Refuse a made-up call that raises, before it is recorded."""
    given = Given(function, call.args, call.kwargs)
    before = State(given.walk, given.module)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"), redirect_stdout(StringIO()):
            function(*call.args, **call.kwargs)
    except (Exception, SystemExit) as error:
        raise NotJudged(f"it raised {type(error).__name__}") from error
    finally:
        before.restore()


def _owner(module: Any, name: str) -> tuple[Any, str]:
    head, _, last = name.rpartition(".")
    return (reduce(getattr, head.split("."), module) if head else module), last


def _drawn(module: Any, example: str, rng: np.random.Generator) -> Call:
    given = getattr(module, example)(rng)
    if isinstance(given, dict):
        return Call((), given, {})
    if not isinstance(given, tuple) or not given:
        raise NotJudged(
            f"{example}(rng) must return a tuple, the arguments of the call, not {type(given).__name__}"
        )
    return Call(given, {}, {})


def _other_half(module: Any, owner: Any, name: str, asked: Asked) -> tuple[Any, Any]:
    """Return the loss or the backward function of a target."""

    def known(other: str) -> Any:
        for start in (module, owner):
            try:
                return reduce(getattr, other.split("."), start)
            except AttributeError:
                continue
        return None

    loss: Any = asked.loss
    if loss is not None and loss.strip().replace(".", "").isidentifier() and callable(known(loss.strip())):
        loss = known(loss.strip())
    backward = asked.backward and known(asked.backward)
    if asked.backward and not callable(backward):
        raise NotJudged(f"there is no function {asked.backward} for --backward")
    if loss is None and backward is None and (found := counterpart(name, known)) is not None:
        loss, backward = (known(found[1]), None) if found[0] == "loss" else (None, known(found[1]))
    return loss, backward
