"""Watch for calls of functions and rules that a program makes itself, and judge one."""

import ast
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import jax

from autograd_ref.crosscheck.isolated.rule_names import functions_in, jax_rules_in
from autograd_ref.crosscheck.isolated.source import source_of
from autograd_ref.crosscheck.program.calling.caught import Call
from autograd_ref.crosscheck.program.calling.foreign import has_foreign, with_values
from autograd_ref.crosscheck.program.calling.loops import Loop, Round
from autograd_ref.crosscheck.program.calling.target import Asked, check_met
from autograd_ref.crosscheck.program.calling.watch import Met, has_example, is_called_plainly, watching
from autograd_ref.crosscheck.reports.report import Report
from autograd_ref.crosscheck.rules.find import noting_calls
from autograd_ref.crosscheck.rules.pytorch.functions import enabled_gradients, has_setup
from autograd_ref.crosscheck.rules.target import check_rule_target

__all__ = ["judge_met", "met_at_import", "watching_calls"]


@contextmanager
def watching_calls(
    file: str,
    names: Collection[str],
    nth: int,
    meet: Callable[[str, Met], None],
    loops: Collection[Loop] = (),
    meet_round: Callable[[Loop, Round], bool] | None = None,
) -> Iterator[dict[str, list[int]]]:
    """Watch for calls while a program runs, like `watching`, and for calls of rules.

    In a file with rules of JAX nothing is compiled meanwhile, so that arguments have values.
    """
    rules, functions = _rules_of(source_of(Path(file)))
    forwards = {f"{functions[name]}.forward": name for name in names if name in functions}
    plain = [name for name in names if name not in rules and name.partition(".")[0] not in functions]

    def note(name: str, met: Met) -> None:
        with jax.disable_jit(False), jax.core.eval_context(), enabled_gradients():
            met = met._replace(call=with_values(met.call))
            meet(forwards.get(name, name), _of_function(met) if name in forwards else met)

    with ExitStack() as stack:
        if rules and names:
            stack.enter_context(jax.disable_jit())
        counts = stack.enter_context(_watching_rules(file, rules.intersection(names), nth, note))
        counts |= stack.enter_context(watching(file, [*plain, *forwards], nth, note, loops, meet_round))
        yield counts | {name: counts[forward] for forward, name in forwards.items()}


def met_at_import(source: str, names: Collection[str]) -> list[str]:
    """Return the names whose calls at the import of a source are judged: what has no example or contract."""
    rules, functions = _rules_of(source)
    return [
        name
        for name in names
        if (
            not has_example(ast.parse(source), name)
            if name in rules or name in functions
            else is_called_plainly(source, name)
        )
    ]


def judge_met(
    met: Met,
    file: str,
    request: Mapping[str, Any],
    asked: Asked,
    on_verdict: Callable[[Report], None] | None = None,
) -> Report:
    """Judge a call that the program is about to make.

    Args:
        met: the call.
        file: file of the program.
        request: the request of the command line, for a rule.
        asked: its options, for a recorded call.
        on_verdict: as for `check_target`.

    Returns:
        The report.

    Raises:
        NotJudged: the call cannot be judged; the message says why.
    """
    if has_foreign(met.call.args, met.call.kwargs):
        module = ModuleType(Path(file).stem)
        vars(module).update(met.space)
        call = met.call.args, met.call.kwargs
        report = check_rule_target(met.function, module, file, request, met=call)
        if report is not None:
            return report
    return check_met(met, file, asked, on_verdict)


@contextmanager
def _watching_rules(
    file: str, names: Collection[str], nth: int, meet: Callable[[str, Met], None]
) -> Iterator[dict[str, list[int]]]:
    """Watch for calls of JAX rules while a program runs; arguments and result as for `watching`."""
    counts = {name: [0, 0] for name in names}

    def note(rule: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inner = inspect.unwrap(rule.fun)
        code, space = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
        if code is None or str(Path(code.co_filename).resolve()) != file:
            return
        for name in names:
            if name == inner.__qualname__ or space.get(name) is rule:
                has_values = has_foreign(args, kwargs)
                counts[name][0] += 1
                counts[name][1] += has_values
                if counts[name][1] == nth and has_values:
                    meet(name, Met(rule, Call(args, kwargs, {}), space))

    with noting_calls(note) if names else nullcontext():
        yield counts


def _of_function(met: Met) -> Met:
    """Return the call of a Function's apply for the call of its forward."""
    owner = met.function.__qualname__.rpartition(".")[0]
    function, (args, kwargs, names) = met.space[owner], met.call
    return met._replace(
        function=function, call=Call(args if has_setup(function) else args[1:], kwargs, names)
    )


def _rules_of(source: str) -> tuple[set[str], dict[str, str]]:
    """Return the rules of JAX of a source, and its Functions of PyTorch with the names of their apply."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set(), {}
    return set(jax_rules_in(tree)), functions_in(tree)
