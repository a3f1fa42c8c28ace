"""Call functions that create and train their own parameters, with made-up data, for a round of a loop."""

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from functools import reduce
from io import StringIO
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.calling.caught import seeded
from autograd_ref.crosscheck.program.calling.loops import Loop, Round
from autograd_ref.crosscheck.program.calling.target import Asked, check_round
from autograd_ref.crosscheck.program.calling.watch import watching
from autograd_ref.crosscheck.program.guessed.networks import Guess
from autograd_ref.crosscheck.program.guessed.objects import Maker
from autograd_ref.crosscheck.program.guessed.roles import TRAINED, TRAINING, is_size, is_sizes, role_of
from autograd_ref.crosscheck.program.guessed.styles import Sizes, Style, styles
from autograd_ref.crosscheck.reports.report import NotJudged, Report

__all__ = ["judge_training", "training_calls"]

_ROUNDS = re.compile(r"iter|epoch|steps|rounds", re.IGNORECASE)


class _EnoughError(BaseException):
    """Ends a call when its loop has been judged."""


def judge_training(
    module: Any, file: str, asked: Asked, name: str, loops: list[Loop], sizes: Sizes, reg: float
) -> Report | None:
    """Judge a round of the loop of a function, or of a class's method, that trains.

    Args:
        module: its module.
        file: file of the module.
        asked: the options.
        name: name of the function or the class.
        loops: the loops of the file.
        sizes: sizes of the data.
        reg: strength of the penalty.

    Returns:
        The report; None if no call reaches a loop that can be judged.
    """
    own = [each for each in loops if each.scope == name or each.scope.startswith(f"{name}.")]
    wrong: Report | None = None
    for guess in training_calls(module, name, sizes, reg) if own else ():
        report = _judged(module, file, asked._replace(call=guess.call, guessed=True), own)
        if report is not None and report.ok:
            return report if wrong is None else None
        if report is not None and report.ok is False:
            wrong = wrong or report
    return wrong


def training_calls(space: Any, name: str, sizes: Sizes, reg: float) -> Iterator[Guess]:
    """Yield calls of code that takes data and creates its parameters; arguments as for `network_calls`."""
    thing = reduce(getattr, name.split("."), space)
    for style in styles(sizes, layers=2, biases=True):
        if style.bias != "flat":
            continue
        if not inspect.isclass(thing):
            texts = _texts(thing, style, reg)
            if texts is not None:
                yield Guess(name, f"{name}({', '.join(texts)})")
            continue
        before = Maker(space, thing, name, reg).text(style)
        for method in TRAINING if before is not None else ():
            function = getattr(thing, method, None)
            texts = _texts(function, style, reg, skipped=1) if callable(function) else None
            if texts is not None:
                yield Guess(f"{name}.{method}", f"{before}net.{method}({', '.join(texts)})")


def _texts(function: Any, style: Style, reg: float, skipped: int = 0) -> list[str] | None:
    """Return the arguments; None if it takes no inputs, or something whose name is not understood."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[skipped:]
    except (TypeError, ValueError):
        return None
    roles = {role_of(each.name) for each in parameters}
    if "inputs" not in roles or roles & TRAINED:
        return None
    found: list[str] = []
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if each.default is not each.empty and role_of(each.name) not in ("inputs", "labels"):
            continue
        text = _text(each.name, style, reg)
        if text is None:
            return None
        found.append(f"{each.name}={text}" if each.default is not each.empty else text)
    return found


def _text(name: str, style: Style, reg: float) -> str | None:
    every = style.all_sizes(2)
    known: Mapping[str, str] = {
        "inputs": style.inputs,
        "labels": style.labels,
        "penalty": f"{reg:g}",
        "rate": "0.01",
        "epsilon": "1e-8",
    }
    if role_of(name) in known:
        return known[role_of(name)]
    if _ROUNDS.search(name):
        return "3"
    if "batch" in name.lower():
        return str(style.sizes.N)
    if (listed := is_sizes(name)) is not None:
        return str(every if listed == "all" else every[1:-1])
    return {"input": str(every[0]), "hidden": str(every[1]), "output": str(every[2])}.get(is_size(name) or "")


def _judged(module: Any, file: str, asked: Asked, loops: list[Loop]) -> Report | None:
    """Return the report on the first round that can be judged."""
    reports: list[Report] = []
    tried = 0

    def meet(loop: Loop, made: Round) -> bool:
        nonlocal tried
        tried += 1
        spec = f"{asked.spec.rpartition(':')[0]}:{loop.line}"
        with suppress(NotJudged):
            reports.append(check_round(made, file, asked._replace(spec=spec)))
        if reports or tried == len(loops):
            raise _EnoughError
        return False

    space = {**vars(module), "np": np, "rng": seeded(asked.seed, 0)}
    with (
        np.errstate(all="ignore"),
        warnings.catch_warnings(action="ignore"),
        redirect_stdout(StringIO()),
        watching(file, (), 1, lambda *_: None, loops, meet),
        suppress(_EnoughError, Exception, SystemExit),
    ):
        exec(asked.call or "", space)  # noqa: S102 - it calls the user's own code
    return reports[0] if reports and reports[0].ok is not None else None
