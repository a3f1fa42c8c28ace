"""A round of a training loop, judged like a call that takes the loop's variables and returns them."""

import ast
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.calling.caught import Call
from autograd_ref.crosscheck.program.guessed.roles import role_of
from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = ["NAMED", "Loop", "Round", "calls_any", "loops_of", "lowers", "round_code", "round_of"]

# The functions that run one round are named by the line of the loop, after this.
NAMED = "loop_at_line_"

# Usual names of functions that move the parameters.
_MOVES = re.compile(r"update|step|apply|optimi[sz]|descen", re.IGNORECASE)

_Node = ast.For | ast.While


class Loop(NamedTuple):
    """A loop that may train.

    Attributes:
        scope: the qualified name of the function that contains it, or ``<module>``.
        node: its statement.
        inner: the lines of such loops inside it.
        shared: the names that its function declares global.
    """

    scope: str
    node: _Node
    inner: frozenset[int]
    shared: tuple[str, ...]

    @property
    def line(self) -> int:
        """The line where it begins."""
        return self.node.lineno

    @property
    def first(self) -> int:
        """The line where its body begins."""
        return self.node.body[0].lineno


class Round(NamedTuple):
    """One round of a loop.

    Attributes:
        function: the function that runs it.
        call: the variables at its start.
        space: the globals of the program.
        numbers: attributes that are numbers and move, as object, name and number.
    """

    function: Any
    call: Call
    space: dict[str, Any]
    numbers: list[tuple[Any, str, Any]]

    @contextmanager
    def with_arrays(self) -> Iterator[None]:
        """Replace attributes that are numbers by arrays, so that they can have gradients."""
        try:
            for owner, name, number in self.numbers:
                setattr(owner, name, np.array(float(number)))
            yield
        finally:
            for owner, name, number in self.numbers:
                setattr(owner, name, number)


def loops_of(source: str) -> list[Loop]:
    """Return the loops of a source that move something in every round.

    Args:
        source: the source of a file.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    return list(_loops(tree.body, "", ()))


def round_of(loop: Loop, file: str, space: dict[str, Any], variables: Mapping[str, Any]) -> Round:
    """Return the next round of a program's loop.

    Args:
        loop: the loop.
        file: file of the program.
        space: globals of the program.
        variables: the current variables of the loop's function.

    Returns:
        The round, a function of its variables, with the line numbers of the file.

    Raises:
        NotJudged: the body cannot be run alone.
    """
    read = [each for part in loop.node.body for each in ast.walk(part)]
    names = dict.fromkeys(each.id for each in read if isinstance(each, ast.Name))
    stale = _assigned_first(loop.node.body)
    given = {
        name: variables[name]
        for name in names
        if name in variables
        and name not in {*loop.shared, *stale}
        and not _is_fixed(variables[name], name, space)
    }
    numbers = []
    for target, is_lowered in _moved(loop.node):
        match target:
            case ast.Name(id=name) if name in given and _is_parameter(name, given[name], is_lowered):
                given[name] = np.array(float(given[name]))
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                for each in _things(owner, loop.node, space, variables):
                    held = getattr(each, name, None)
                    if _is_parameter(name, held, is_lowered):
                        numbers.append((each, name, held))
    name = f"{NAMED}{loop.line}"
    try:
        code = round_code(loop.node, name, list(given), loop.shared, file)
    except SyntaxError as error:
        raise NotJudged(f"the loop at line {loop.line} cannot be run alone: {error.msg}") from None
    function = types.FunctionType(code, space, name)
    function.__module__ = str(space.get("__name__"))
    return Round(function, Call(tuple(given.values()), {}, {}), space, numbers)


def round_code(
    node: _Node, name: str, given: Sequence[str], shared: Sequence[str], file: str
) -> types.CodeType:
    """Return the code of a function that runs one round of a loop, with the line numbers of the file.

    Args:
        node: the loop.
        name: name of the function.
        given: its parameters, the variables at the start of the round.
        shared: the variables that are global.
        file: the file.

    Raises:
        SyntaxError: the body cannot be run alone.
    """
    declared = f"    global {', '.join(shared)}\n" if shared else ""
    head = f"def {name}({', '.join(given)}):\n{declared}    for _once in (0,): pass"
    module = ast.increment_lineno(ast.parse(head), node.lineno - 1)
    for each in ast.walk(module):
        if isinstance(each, ast.For):
            each.body = node.body
    code = compile(module, file, "exec")
    return next(each for each in code.co_consts if isinstance(each, types.CodeType))


def calls_any(loop: Loop, names: Collection[str]) -> bool:
    """Whether a loop calls a function, or a method, of one of these names."""
    for node in ast.walk(loop.node):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in names:
                return True
    return False


def lowers(loop: Loop) -> bool:
    """Whether a loop subtracts from a variable in every round, as gradient descent does."""
    return any(is_lowered for _, is_lowered in _moved(loop.node))


def _loops(body: list[ast.stmt], scope: str, shared: tuple[str, ...]) -> Iterator[Loop]:
    for each in body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            declared = [part.names for part in ast.walk(each) if isinstance(part, ast.Global)]
            names = tuple(name for part in declared for name in part)
            yield from _loops(each.body, f"{scope}{each.name}.<locals>.", names)
        elif isinstance(each, ast.ClassDef):
            yield from _loops(each.body, f"{scope}{each.name}.", ())
        else:
            inside = [loop for part in _bodies(each) for loop in _loops(part, scope, shared)]
            if isinstance(each, ast.For | ast.While) and _moves(each):
                lines = frozenset(loop.line for loop in inside)
                yield Loop(scope.removesuffix(".<locals>.") or "<module>", each, lines, shared)
            yield from inside


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for each in getattr(statement, "handlers", []):
        yield each.body


def _moves(loop: _Node) -> bool:
    """Whether a loop moves something: ``W -= …``, ``W = W - …``, ``update(…)``."""
    for node in ast.walk(ast.Module(loop.body, [])):
        if isinstance(node, ast.Yield | ast.YieldFrom | ast.Await):
            return False
    for node in ast.walk(ast.Module(loop.body, [])):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if _MOVES.search(name):
                return True
    return any(True for _ in _moved(loop))


def _moved(loop: _Node) -> Iterator[tuple[ast.expr, bool]]:
    """Yield the targets that a loop moves, and whether it subtracts: ``W -= …``, ``W = W + …``."""
    for node in ast.walk(ast.Module(loop.body, [])):
        match node:
            case ast.AugAssign(target=target, op=ast.Add() | ast.Sub(), value=value) if not isinstance(
                value, ast.Constant
            ):
                yield target, isinstance(node.op, ast.Sub)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=False):
                    yield from _moved_by(target, value, target)
            case ast.Assign(targets=[target], value=value):
                yield from _moved_by(target, value, target)


def _moved_by(target: ast.expr, value: ast.expr, start: ast.expr) -> Iterator[tuple[ast.expr, bool]]:
    """Yield a target and whether it is lowered, if a value is its start, plus or minus something."""
    match value:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op) if ast.unparse(left) == ast.unparse(start):
            yield target, isinstance(op, ast.Sub)
        case ast.ListComp(elt=elt, generators=[ast.comprehension(target=each, iter=source)]):
            of, parts = each, source
            if isinstance(each, ast.Tuple) and isinstance(source, ast.Call) and source.args:  # zip
                of, parts = each.elts[0], source.args[0]
            if ast.unparse(parts) == ast.unparse(start):
                yield from _moved_by(target, elt, of)
        case ast.DictComp(value=elt) if isinstance(elt, ast.BinOp) and isinstance(elt.left, ast.Subscript):
            if ast.unparse(elt.left.value) == ast.unparse(start):
                yield from _moved_by(target, elt, elt.left)


def _assigned_first(body: list[ast.stmt]) -> set[str]:
    """Return the variables whose old values a loop does not read, because it assigns them first."""
    found, seen = set[str](), set[str]()
    for statement in body:
        names = [each for each in ast.walk(statement) if isinstance(each, ast.Name)]
        if isinstance(statement, ast.Assign):
            read = {each.id for each in names if isinstance(each.ctx, ast.Load)}
            found |= {each.id for each in names if isinstance(each.ctx, ast.Store)} - read - seen
        elif isinstance(statement, ast.For) and isinstance(statement.target, ast.Name):
            read = {each.id for each in ast.walk(statement.iter) if isinstance(each, ast.Name)}
            found |= {statement.target.id} - read - seen
        seen |= {each.id for each in names}
    return found


def _things(name: str, loop: _Node, space: dict[str, Any], variables: Mapping[str, Any]) -> list[Any]:
    """Return what a variable is in a loop: one thing, or all those that an inner loop goes through."""
    for node in ast.walk(ast.Module(loop.body, [])):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == name:
            with suppress(Exception):  # what the loop makes itself is not known yet
                return list(eval(ast.unparse(node.iter), space, {**variables}))  # noqa: S307
    return [variables[name]] if name in variables else []


def _is_parameter(name: str, thing: Any, is_lowered: bool) -> bool:
    """Whether a moving number is a parameter, not a counter."""
    if isinstance(thing, bool) or not isinstance(thing, (int, float, np.floating)):
        return False
    return not isinstance(thing, int) or is_lowered or role_of(name) in ("weight", "bias")


def _is_fixed(thing: Any, name: str, space: Mapping[str, Any]) -> bool:
    """Whether a variable is a function, a class or a module of the program itself."""
    return space.get(name) is thing and isinstance(
        thing, types.FunctionType | types.ModuleType | types.BuiltinFunctionType | type
    )
