"""A target of the command line whose call is recorded: where the call comes from, and its other half."""

import inspect
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
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
from autograd_ref.crosscheck.program.check import Arguments, check_points, form_of
from autograd_ref.crosscheck.program.verdict import Settings
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.recording.call.given import Given
from autograd_ref.recording.call.state import State

__all__ = ["Asked", "Prepared", "check_met", "check_round", "check_target", "example_of", "prepare"]


class Asked(NamedTuple):
    """What the command line asks of one recorded target.

    Attributes:
        spec: the target, as it was named.
        call: the expression that calls it; None for a call with what ``example`` draws.
        nth: which call is judged.
        loss: an expression, or the name of a function.
        backward: the name of a function.
        of: which gradient belongs to what.
        points: how many.
        dtype: of the floating arrays; None keeps what they have.
        seed: of everything random.
        tolerance: of the bounds.
        guessed: whether nobody gave the call.
        repair_seconds: for how long a repair is looked for; 0 for not at all.
        explain: whether every line is said to be what it computes.
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
    """The name of the function that draws a target's arguments; None where there is none."""
    for known in (f"example_{name.replace('.', '_')}", "example"):
        if callable(getattr(module, known, None)):
            return known
    return None


class Prepared(NamedTuple):
    """All that `check.check_points` needs of a target.

    Attributes:
        form: how the call is made.
        call_at: gives its arguments, by the number of the point.
        points: how many.
        file: of the module.
        settings: of the check.
    """

    form: Form
    call_at: Callable[[int], Arguments]
    points: int
    file: str
    settings: Settings


def check_target(
    module: Any, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Report:
    """Judge the gradients of a call.

    Args:
        module: that holds the target.
        file: of the module.
        asked: what is asked for.
        on_verdict: told the report before a repair is looked for.

    Returns:
        The report.

    Raises:
        NotJudged: it cannot be judged; says why.
    """
    return check_points(*prepare(module, file, asked, on_verdict))


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
                f"is a class without a method loss: name the method that is to be judged, {asked.spec}.METHOD"
            )
        function = getattr(owner, last)

    if not callable(function):
        raise NotJudged(f"{name} is no function but {type(function).__name__}: name what is to be called")

    def call_at(point: int) -> Call:
        rng = seeded(asked.seed, point)
        example = example_of(module, name)
        if asked.call is None and example is None:
            raise NotJudged(
                f"nothing says how to call it: write --call '{name}(...)', or define "
                f"example_{name.replace('.', '_')}(rng) beside it, which returns its arguments"
            )
        if asked.call is None:
            call = _drawn(module, example or "", rng)
        else:
            space = {**vars(module), "np": np, "rng": rng}
            call = catch(owner, last, asked.call, space, file, asked.nth)
        return call if asked.dtype is None else in_dtype(call, function, np.dtype(asked.dtype))

    if asked.guessed:
        _try(function, call_at(0))
    return _prepare(module, owner, name, function, call_at, file, asked, on_verdict)


def check_met(
    met: Met, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Report:
    """Judge the gradients of a call that the program itself is about to make.

    Args:
        met: the call.
        file: of the program.
        asked: what is asked for.
        on_verdict: as for `check_target`.

    Returns:
        The report.

    Raises:
        NotJudged: it cannot be judged; says why.
    """
    name, call = asked.spec.rpartition(":")[2], met.call
    if asked.dtype is not None:
        call = in_dtype(call, met.function, np.dtype(asked.dtype))
    head = name.rpartition(".")[0]
    module = SimpleNamespace(**met.space)
    owner = type(call.args[0]) if head and call.args else module
    return check_points(*_prepare(module, owner, name, met.function, lambda _: call, file, asked, on_verdict))


def check_round(
    made: Round, file: str, asked: Asked, on_verdict: Callable[[Report], None] | None = None
) -> Report:
    """Judge the gradients that one round of a loop computes.

    Args:
        made: the round.
        file: of the program.
        asked: what is asked for.
        on_verdict: as for `check_target`.

    Returns:
        The report.

    Raises:
        NotJudged: it cannot be judged; says why.
    """
    form = with_variables(made.function)
    if asked.loss is not None:
        form = with_expression(made.function, asked.loss, {}, leaves_variables=True)
    settings = _settings(asked, form, on_verdict)
    call = made.call
    if asked.dtype is not None:
        call = in_dtype(call, made.function, np.dtype(asked.dtype))
    with made.with_arrays():
        return check_points(form, lambda _: (call.args, call.kwargs), asked.points, file, settings)


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
        with np.errstate(all="ignore"), warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
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
    """The loss, or the backward function, that belongs to a target."""

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
