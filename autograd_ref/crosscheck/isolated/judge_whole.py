"""Judge everything in a file: the calls and loops that it runs itself, and other functions."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from autograd_ref.crosscheck.errors import LONGEST_REFUSAL, one_line
from autograd_ref.crosscheck.isolated.by_forward import by_forward
from autograd_ref.crosscheck.isolated.meeting import judge_met, met_at_import, watching_calls
from autograd_ref.crosscheck.isolated.patience import Patience
from autograd_ref.crosscheck.isolated.running import run_program
from autograd_ref.crosscheck.isolated.source import source_of
from autograd_ref.crosscheck.isolated.targets import Target, load_module
from autograd_ref.crosscheck.isolated.whole import (
    NOT_RECORDED,
    NOTHING,
    TAKES_GRADIENTS,
    is_unclear,
    makers_of_gradients,
    methods_in,
    takers_of_gradients,
)
from autograd_ref.crosscheck.program.calling.forms import COTANGENT, is_backward
from autograd_ref.crosscheck.program.calling.loops import Loop, Round, calls_any, loops_of
from autograd_ref.crosscheck.program.calling.target import check_round
from autograd_ref.crosscheck.program.calling.watch import Met
from autograd_ref.crosscheck.program.guessed.roles import TRAINED, role_of
from autograd_ref.crosscheck.reports.report import NotJudged, Report

__all__ = ["WholeFile"]

# Seconds that a file may run until it calls something that can be judged, and after that.
BEFORE_SECONDS, AFTER_SECONDS = 50.0, 5.0

# Functions that only help have no loss, so another refusal says more.
NO_LOSS_AT_ALL = re.compile(r"it returns no loss|none of its variables is the loss")

Judge = Callable[[dict[str, Any], Target], Report]
Said = Callable[[str, Callable[[], Report]], Report]


class WholeFile:
    """A file, and the answers about its functions."""

    def __init__(self, request: dict[str, Any], asked: Callable[[dict[str, Any]], Any], said: Said) -> None:
        """Prepare to judge.

        Args:
            request: a request with the file as the target and, for each class or function, its name and the
                names by which the file may call it when it runs.
            asked: returns the options of a call for a request.
            said: judges, and reports where the file's own exceptions came from.
        """
        self.request, self.asked, self.said = request, asked, said
        self.path: str = request["target"]
        self.file = str(Path(self.path).resolve())
        self.names: dict[str, list[str]] = request["names"]
        self.program: str | None = request["recorded"]["run"]
        self.answers: list[dict[str, Any]] = []
        self.makers = makers_of_gradients(source_of(Path(self.file)))
        self.met: set[str] = set()
        self.parts: set[str] = set()  # of these, layers and losses of an output
        self.space: dict[str, Any] = {}
        self.patience = Patience(BEFORE_SECONDS)
        self.refused = ""

    def judge(self, judge: Judge) -> Iterator[list[dict[str, Any]]]:
        """Judge everything.

        Args:
            judge: judges functions that the file did not call.

        Yields:
            All answers so far, in the order in which they are found.
        """
        try:
            with self.patience.waiting():
                module = self._run()
        except NotJudged as error:
            if not self.patience.is_over or not self.answers:
                said = self._too_long(str(error)) if self.patience.is_over else str(error)
                yield [*self.answers, self._of_file(said)]
                return
            module = self._so_far()
        yield self.answers
        source = source_of(Path(self.file))
        takers = takers_of_gradients(source)
        for name, called in self.names.items() if self.program is None else ():
            one = by_forward({**self.request, "target": f"{self.path}:{name}"}, source)
            value = getattr(module, one["target"].rpartition(":")[2], None)
            if value is not None and name in takers:
                self.answers.append(
                    {"target": f"{self.path}:{name}", "report": None, "error": TAKES_GRADIENTS}
                )
            elif value is not None and not self.met.intersection(called) and not self._has_met(name):
                self._answer(name, partial(judge, one, Target(value, module, self.file)))
            yield self.answers
        if not self.answers and (not self.names or self.program is not None):
            yield [self._of_file(self._nothing())]

    def _has_met(self, cls: str) -> bool:
        return any(each.startswith(f"{cls}.") for each in self.met)

    def _run(self) -> Any:
        if self.program is None:
            return load_module(self.path, self.file, self._watch)
        with self._watch(self.file):
            run_program(self.program)
        return self._so_far()

    def _so_far(self) -> ModuleType:
        """Return the file's names if its import did not finish."""
        module = ModuleType(Path(self.file).stem)
        vars(module).update(self.space)
        return module

    def _watch(self, file: str) -> AbstractContextManager[Any]:
        source = source_of(Path(file))
        names = [each for called in self.names.values() for each in called]
        names = list(dict.fromkeys([*names, *methods_in(source)]))
        called = met_at_import(source, names)
        return watching_calls(file, called, 1, self._meet, loops_of(source), self._meet_round)

    def _meet(self, name: str, met: Met) -> None:
        request = {**self.request, "target": f"{self.path}:{name}"}
        if self._try(name, met, lambda asked: judge_met(met, self.file, request, asked)):
            self.met.add(name)
            report = self.answers[-1]["report"]
            if report is not None and _is_of_part(report):
                self.parts.add(name)

    def _meet_round(self, loop: Loop, made: Round) -> bool:
        # Layers, and losses of an output, do not show whether the loop puts them together rightly.
        whole = {each.rpartition(".")[2] for each in self.met - self.parts}
        if loop.scope in self.met or calls_any(loop, whole):
            return True
        return self._try(str(loop.line), made, lambda asked: check_round(made, self.file, asked))

    def _try(self, name: str, met: Met | Round, judge: Callable[[Any], Report]) -> bool:
        """Judge what the file is about to do; if it cannot be judged, there is no answer."""
        self.patience.stop()
        self.space = met.space
        asked = self.asked({**self.request, "target": f"{self.path}:{name}"})
        judged = self._answer(name, lambda: judge(asked)) or is_unclear(self.answers[-1]["error"])
        if not judged:
            error = str(self.answers[-1]["error"])
            if isinstance(met, Met) and (NOT_RECORDED.search(error) or name in self.makers):
                self.met.add(name)  # listed with the reason
            else:
                self.answers.pop()
            if not self.refused or NO_LOSS_AT_ALL.search(self.refused):
                self.refused = f"{name}: {error}"
        self.patience.start(AFTER_SECONDS if self.answers else None)
        return judged

    def _answer(self, name: str, judge: Callable[[], Report]) -> bool:
        report, error = None, None
        try:
            report = self.said(self.file, judge).to_json()
            if is_backward(name):
                report["target"] = f"{self.path}:{name}"  # not the forward function's
        except NotJudged as refused:
            error = one_line(str(refused), LONGEST_REFUSAL)
        self.answers.append({"target": f"{self.path}:{name}", "report": report, "error": error})
        return report is not None

    def _of_file(self, error: str) -> dict[str, Any]:
        return {"target": self.path, "report": None, "error": one_line(error, LONGEST_REFUSAL)}

    def _nothing(self) -> str:
        """Return the reason why nothing was judged, and a remedy."""
        if self.refused:
            return f"line {self.refused}" if self.refused[0].isdigit() else self.refused
        if self.program is not None:
            return f"--run calls no function of it with floating arrays, and trains in no loop of {self.path}"
        return f"{NOTHING}: say what runs it, --run '{self.path}'"

    def _too_long(self, error: str) -> str:
        """Return the message about a run that was ended."""
        at = re.search(r"\bline \d+", error)
        where = "" if at is None else f" at {at[0]}"
        what = "its import" if self.program is None else "--run"
        return (
            f"{what} still runs{where} after {self.patience.seconds:g} s, and called nothing that can be "
            f"judged: {self.refused or 'put what trains into a function, and name it, FILE.py:NAME'}"
        )


def _is_of_part(report: dict[str, Any]) -> bool:
    """Whether a report is on a layer, or on a loss without parameters."""
    of = [str(each["of"]) for each in report["quantities"]]
    has_own = any(not each.isidentifier() or role_of(each) in TRAINED for each in of)
    return report["loss"] == COTANGENT or not has_own
