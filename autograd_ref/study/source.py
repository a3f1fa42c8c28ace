"""The steps of the hand derivation, read from its own source: statements, layer functions, derivations."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.problems import Problem
from autograd_ref.two_layer_net import QUANTITIES
from handgrad import activations, layers, two_layer_net

__all__ = ["GIVEN", "Rule", "Source", "Step", "read_derivation", "read_function", "read_steps"]

GIVEN = ("X", "y", "W1", "b1", "W2", "b2")

Scope = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A layer function and its use in one step.

    Attributes:
        derivation: the paragraphs of its docstring before the arguments.
        code: its definition without annotations and docstring.
        marks: the step's quantity for each of the function's names and symbols.
    """

    name: str
    derivation: tuple[str, ...]
    code: str
    marks: dict[str, str]


@dataclass(frozen=True)
class Step:
    """One statement of `trace_gradients`, on one problem.

    Attributes:
        targets: the quantities that it computes.
        operands: the quantities that it uses.
        adds: whether it adds to an existing quantity.
        code: the statement's source.
        rules: the layer functions that it calls, directly or indirectly.
        before: every quantity known before it, by name.
        made: the values of the targets.
        leads: for each target, the operands that it depends on.
    """

    targets: tuple[str, ...]
    operands: tuple[str, ...]
    adds: bool
    code: str
    rules: tuple[Rule, ...]
    before: dict[str, Any]
    made: dict[str, Any]
    leads: dict[str, tuple[str, ...]]

    @property
    def key(self) -> str:
        """The name of the step in the texts: its first target."""
        return self.targets[0] + ("_penalty" if self.adds else "")

    @property
    def backward(self) -> bool:
        """Whether the step computes adjoints."""
        return any(name[1:] in (*GIVEN, *QUANTITIES) for name in self.targets)


def read_steps(problem: Problem) -> list[Step]:
    """Return the statements of `trace_gradients` that call a layer function, in order, run on a problem."""
    function = inspect.unwrap(two_layer_net.trace_gradients)
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    arguments = (problem.params, problem.X, problem.y, problem.reg, problem.activation)
    given = inspect.signature(function).bind(*arguments)
    given.apply_defaults()
    scope = {**vars(two_layer_net), **given.arguments}
    steps: list[Step] = []
    quantities: dict[str, Any] = {"X": problem.X, "y": problem.y, **problem.params, "reg": problem.reg}
    for statement in _definition(source).body:
        if not isinstance(statement, ast.Assign | ast.AugAssign):
            continue
        before = {name: copy(value) for name, value in quantities.items()}
        _run(statement, scope)
        if any(_calls(statement, scope)):
            made = {name: copy(scope[name]) for name in _targets(statement)}
            code = textwrap.dedent("\n".join(lines[statement.lineno - 1 : statement.end_lineno]))
            steps.append(_step(statement, code, {**scope, **before}, before, made))
            quantities |= made
    return steps


class Source(NamedTuple):
    """The parts of a function's source; ``derivation`` and ``code`` are as in `Rule`.

    Attributes:
        arguments: the names of the arguments.
        results: the names of the results in the docstring, if they are new ones.
    """

    derivation: tuple[str, ...]
    code: str
    arguments: list[str]
    results: list[str]
    definition: ast.FunctionDef


def read_function(function: Callable[..., Any]) -> Source:
    """Read a function whose docstring is in Google style."""
    function = inspect.unwrap(function)
    source = textwrap.dedent(inspect.getsource(function))
    definition = _definition(source)
    arguments = [argument.arg for argument in definition.args.args]
    text = inspect.getdoc(function) or ""
    derivation, _, sections = text.partition("\n\nArgs:")
    _, _, returns = sections.partition("\n\nReturns:")
    named = re.search(r"``\(?([\w, ]+)\)?``", returns)
    results = re.findall(r"\w+", named[1]) if named else []
    paragraphs = tuple(" ".join(paragraph.split()) for paragraph in derivation.split("\n\n"))
    documented = definition.body[0].end_lineno if ast.get_docstring(definition) else definition.lineno
    body = source.splitlines()[documented:]
    code = "\n".join([f"def {definition.name}({_signature(definition.args)}):", *body])
    if set(results) & set(arguments):
        results = []  # "in the dtype of ``W``"
    return Source(paragraphs, code, arguments, results, definition)


def read_derivation(module: ModuleType) -> tuple[str, ...]:
    """Return the paragraphs, ``$$`` formulas and items of a module's docstring after its first line."""
    text = inspect.getdoc(module) or ""
    _, _, derivation = text.partition("\n\n")
    found: list[str] = []
    for block in derivation.split("\n\n"):
        for item in re.split(r"\n(?=- )", block):
            for part in re.split(r"(\$\$[^$]+\$\$)", item):
                paragraph = " ".join(part.replace("$$", "$").split())
                found += [paragraph] if paragraph else []
    return tuple(found)


def _signature(arguments: ast.arguments) -> str:
    """Return the source of the arguments without annotations: names, stars and defaults."""
    plain = deepcopy(arguments)
    for each in ast.walk(plain):
        if isinstance(each, ast.arg):
            each.annotation = None
    return ast.unparse(plain)


def _definition(source: str) -> ast.FunctionDef:
    (definition,) = ast.parse(source).body
    if not isinstance(definition, ast.FunctionDef):
        raise ValueError(f"a function was expected, not {source.splitlines()[0]}")
    return definition


def _run(statement: ast.stmt, scope: dict[str, Any]) -> None:
    exec(compile(ast.Module([statement], []), "two_layer_net.py", "exec"), scope)  # noqa: S102 - our own source


def _calls(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.Call, Callable[..., Any]]]:
    """Yield the calls of layer functions in a piece of source."""
    for each in ast.walk(node):
        if not isinstance(each, ast.Call):
            continue
        match each.func:
            case ast.Name(name):
                function = scope.get(name)
            case ast.Attribute(ast.Name(name), attribute):
                function = getattr(scope.get(name), attribute, None)
            case _:
                function = None
        ours = getattr(function, "__module__", None) in (layers.__name__, activations.__name__)
        if callable(function) and ours and not function.__name__.startswith("_"):
            yield each, function


def _targets(statement: ast.Assign | ast.AugAssign) -> list[str]:
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    return [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]


def _step(
    statement: ast.Assign | ast.AugAssign, code: str, scope: Scope, before: Scope, made: dict[str, Any]
) -> Step:
    adds = isinstance(statement, ast.AugAssign)
    read = [each.id for each in ast.walk(statement.value) if isinstance(each, ast.Name) and each.id in before]
    operands = tuple(dict.fromkeys([*(made if adds else ()), *read]))
    rules: dict[str, Rule] = {}
    for call, function in _calls(statement, scope):
        marks = {argument.id: argument.id for argument in call.args if isinstance(argument, ast.Name)}
        _add_rules(rules, function, call, marks, list(made), [*made, *operands])
    return Step(
        targets=tuple(made),
        operands=operands,
        adds=adds,
        code=code,
        rules=tuple(rules.values()),
        before=dict(before),
        made=made,
        leads=_leads(statement, operands, scope, made),
    )


def _leads(
    statement: ast.stmt, operands: tuple[str, ...], scope: Scope, made: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Return the operands that each target depends on, found by changing each operand."""
    leads: dict[str, list[str]] = {name: [] for name in made}
    for operand in operands:
        changed = {name: copy(scope[name]) for name in operands}
        changed[operand] = _other(changed[operand])
        poked = {**scope, **changed}
        _run(statement, poked)
        for name, value in made.items():
            if not np.array_equal(poked[name], value):
                leads[name].append(operand)
    return {name: tuple(found) for name, found in leads.items()}


def _other(value: Any) -> Any:
    """Return values of the same kind that differ in every entry, and in sign if they have one."""
    if np.asarray(value).dtype.kind == "i":
        return np.where(value == 0, 1, 0)
    return 0.7 - 2 * value


def _add_rules(
    rules: dict[str, Rule],
    function: Callable[..., Any],
    call: ast.Call,
    outer: Mapping[str, str],
    targets: list[str],
    near: list[str],
) -> None:
    """Add the rule of a called function, then the rules of the layer functions that it calls."""
    name = inspect.unwrap(function).__name__
    source = read_function(function)
    marks = {
        parameter: outer[argument.id]
        for parameter, argument in zip(source.arguments, call.args, strict=False)
        if isinstance(argument, ast.Name) and argument.id in outer
    }
    if name in rules:
        for parameter, quantity in marks.items():
            if rules[name].marks.get(parameter) != quantity:
                # Called for two quantities, like the penalty: the letter does not stand for one of them.
                for symbol in (parameter, f"d{parameter}"):
                    rules[name].marks.pop(symbol, None)
        return
    marks |= zip(source.results, targets, strict=True) if len(source.results) == len(targets) else ()
    marks = _with_symbols(marks, source.derivation, near)
    rules[name] = Rule(name, source.derivation, source.code, marks)
    for inner, callee in _calls(source.definition, inspect.unwrap(function).__globals__):
        _add_rules(rules, callee, inner, marks, [], near)


def _with_symbols(marks: dict[str, str], paragraphs: tuple[str, ...], near: list[str]) -> dict[str, str]:
    """Extend the marks to the symbols of the formulas, by the usual abbreviations.

    If x is a quantity, then dx is its adjoint, and the reverse; and a symbol is the step's quantity whose
    name begins with it, as s is for the scores.
    """
    marks = dict(marks)
    known = {*GIVEN, *QUANTITIES}
    for symbol, name in list(marks.items()):
        if f"d{name}" in known:
            marks.setdefault(f"d{symbol}", f"d{name}")
        if symbol.startswith("d") and name.startswith("d") and name[1:] in known:
            marks.setdefault(symbol[1:], name[1:])
    written = " ".join(re.findall(r"\$([^$]+)\$", " ".join(paragraphs)))
    written = re.sub(r"\\[a-zA-Z]+|_\{[^{}]*\}|_\w|reg", " ", written)
    for symbol in dict.fromkeys(re.findall(r"d?[A-Za-z]", written)):
        # The letters of the sizes and of the penalty's coefficient keep their own meaning.
        if symbol not in marks and symbol not in ("N", "C", "c"):
            pattern = rf"{symbol}\d|(data_)?{symbol.lower()}\w{{3,}}"
            meant = [name for name in near if re.fullmatch(pattern, name)]
            marks |= {symbol: meant[0]} if meant else {}
    return marks
