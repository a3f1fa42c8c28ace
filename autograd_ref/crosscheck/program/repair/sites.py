"""Find the statements that may be edited, and the values of their names, in one watched plain run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.point import RecordedPoint
from autograd_ref.crosscheck.program.repair.site import Enclosing, Scope, Site
from autograd_ref.crosscheck.program.repair.source import Source
from autograd_ref.recording import Value
from autograd_ref.recording.adjoints.reverse import ancestors

__all__ = ["by_rank", "sites_of", "watched"]

# Larger arrays are not copied when a statement is watched.
LARGE = 1_000_000

# The number of watched passes of a loop; the second differs from the first, because something is carried
# over.
PASSES = 2

Line = tuple[str, int]


def watched(call: Callable[[], Any], files: Mapping[str, Source]) -> dict[Line, list[Scope]]:
    """Run a call, and keep the local variables the first times that each line of some files runs."""
    seen: dict[Line, list[Scope]] = {}

    def on_line(frame: Any, event: str, _: Any) -> Any:
        if event == "line":
            line = (frame.f_code.co_filename, frame.f_lineno)
            kept = seen.setdefault(line, [])
            if len(kept) < PASSES:
                kept.append(
                    Scope({name: _kept(each) for name, each in frame.f_locals.items()}, frame.f_globals)
                )
        return on_line

    def on_call(frame: Any, event: str, _: Any) -> Any:
        return on_line if frame.f_code.co_filename in files else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        call()
    finally:
        sys.settrace(before)
    return seen


def _kept(thing: Any) -> Any:
    """Return a copy of an array."""
    return thing.copy() if isinstance(thing, np.ndarray) and thing.size <= LARGE else thing


def lines_of_values(point: RecordedPoint) -> tuple[dict[Line, int], dict[Line, int]]:
    """Return the lines that made forward values, and those that made backward values, with the latest value.

    A line that calls a function makes the function's values.
    """
    forward: dict[Line, int] = {}
    backward: dict[Line, int] = {}
    made: set[Value] = set()
    for pair in point.pairs:
        _, value = point.run.recording.final.get(pair.found, (None, None))
        if value is not None:
            made |= ancestors(value)
    for value in point.run.recording.tape.values:
        of = forward if value in point.run.found.forward else backward
        for place in (value.place, *value.calls):
            if place is not None:
                line = (place.file, place.line)
                of[line] = max(value.number if value in made else -1, of.get(line, -1))
    return forward, backward


def sites_of(
    point: RecordedPoint, files: Mapping[str, Source], seen: Mapping[Line, list[Scope]]
) -> list[Site]:
    """Return the statements that ran and may belong to the backward part, last first, then the others.

    Statements of the forward part that keep several values for the backward part come at the end.
    """
    forward, backward = lines_of_values(point)
    found: list[tuple[tuple[int, int], Site]] = []
    for source in files.values():
        for site in _statements(source):
            lines = [(source.file, line) for line in range(site.node.lineno, _end_of_head(site.node) + 1)]
            scopes = [seen[line] for line in lines if line in seen]
            latest = max((backward.get(line, -2) for line in lines), default=-2)
            is_forward = latest == -2 and any(line in forward for line in lines)
            if not scopes or (is_forward and not _is_kept(site.node)):
                continue
            site.scopes = tuple(scopes[0])
            site.terms = _terms(site)
            site.indices = _indices(site)
            site.calls = _calls(site)
            site.unused = _unused(site.function)
            made = forward.keys() - backward.keys()
            site.written = _written(site.function, {line for file, line in made if file == source.file})
            site.untouched = _untouched(site.function)
            rank = (0, -latest) if latest >= 0 else (1 + is_forward, -site.node.lineno)
            found.append((rank, site))
    return [site for _, site in sorted(found, key=lambda each: each[0])]


def by_rank(sites: Sequence[Site], order: Mapping[Line, int]) -> list[Site]:
    """Return statements in the order in which they are tried.

    Args:
        sites: the statements.
        order: the rank of statements by file and line; a lower one is more likely wrong.
    """
    last = len(order)
    ranks = [float(order.get((each.source.file, each.node.lineno), last)) for each in sites]
    for i, site in enumerate(sites):
        # A second name, for example after an omitted step, is as likely wrong as the value and its use.
        if isinstance(site.node, ast.Assign) and isinstance(site.node.value, ast.Name):
            named, set_here = site.node.value.id, _names(site.node, ast.Store)
            near = [
                rank
                for rank, each in zip(ranks, sites, strict=True)
                if each.function is site.function
                and (named in _names(each.node, ast.Store) or set_here & _names(each.node, ast.Load))
            ]
            ranks[i] = min([ranks[i], *(rank - 0.5 for rank in near)])
        elif isinstance(site.node, ast.Return):  # the place where a value is made is preferred
            ranks[i] += 1.5
        elif isinstance(site.node, ast.For | ast.While):  # few edits, which affect everything inside
            inside = [
                rank
                for rank, each in zip(ranks, sites, strict=True)
                if each.source is site.source and _is_inside(each.node, site.node)
            ]
            ranks[i] = min([ranks[i], *(rank + 1.5 for rank in inside)])
    return [sites[i] for i in sorted(range(len(sites)), key=ranks.__getitem__)]


def _names(node: ast.stmt, use: type[ast.Load] | type[ast.Store]) -> set[str]:
    """Return the variables that a statement sets, or those that a statement without a body reads."""
    if use is ast.Load and hasattr(node, "body"):
        return set()
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, use)}


def _is_inside(node: ast.stmt, loop: ast.stmt) -> bool:
    return node is not loop and loop.lineno < node.lineno <= (loop.end_lineno or loop.lineno)


def _is_kept(node: ast.stmt) -> bool:
    value = getattr(node, "value", None)
    return isinstance(node, ast.Return | ast.Assign) and isinstance(value, ast.Tuple | ast.Dict | ast.List)


def _end_of_head(node: ast.stmt) -> int:
    body: Sequence[ast.stmt] = getattr(node, "body", ())
    return max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno


def _statements(source: Source) -> Iterator[Site]:
    """Yield all statements inside functions and loops of the module, except definitions."""

    def visit(body: list[ast.stmt], function: Enclosing | None) -> Iterator[Site]:
        for node in body:
            inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
            if function is None and isinstance(node, ast.For | ast.While):
                inner = node
            is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if function is not None and not is_definition:
                yield Site(source, node, body, function)
            for name in ("body", "orelse", "finalbody"):
                yield from visit(getattr(node, name, []), inner)

    yield from visit(source.tree.body, None)


def _terms(site: Site) -> dict[str, Any]:
    """Return the function's expressions for its arrays, numbers and functions, with their values here."""
    known: dict[str, Any] = {}
    for node in ast.walk(site.function):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            text = _as_term(site, node)
            if text is not None and text not in known:
                known[text] = site.scope.value(text)
                if isinstance(known[text], list) and known[text]:
                    known.setdefault(f"{text}[-1]", known[text][-1])
    known |= {name: each for name, each in site.scope.local.items() if name not in known}
    known |= {name: each for name, each in _numbers_of_object(site).items() if name not in known}
    for node in site.source.tree.body:
        made = [node.name] if isinstance(node, ast.FunctionDef) else _set_by(node)
        for name in made:
            known.setdefault(name, site.scope.value(name))
    return {text: each for text, each in known.items() if _is_term(each)}


def _numbers_of_object(site: Site) -> dict[str, Any]:
    """Return the numbers that a method's object holds, used in this function or not."""
    parameters = [] if isinstance(site.function, ast.For | ast.While) else site.function.args.args
    name = parameters[0].arg if parameters else ""
    held = getattr(site.scope.local.get(name), "__dict__", {})
    return {f"{name}.{key}": each for key, each in held.items() if isinstance(each, int | float | np.number)}


def _set_by(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _as_term(site: Site, node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    text = site.source.of(node)
    if "\n" in text or len(text) > 40:
        return None
    if isinstance(node, ast.Attribute):
        return text if _is_plain(node) and node.attr not in ("T", "shape", "dtype", "size", "ndim") else None
    if isinstance(node, ast.Subscript):
        return text if _is_plain(node.value) else None
    is_length = (
        isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in ("len", "float")
        and len(node.args) == 1
    )
    return text if is_length else None


def _is_plain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name)


def _is_term(thing: Any) -> bool:
    if isinstance(thing, np.ndarray):
        return thing.dtype.kind in "fiub"
    if isinstance(thing, int | float | np.number):
        return True
    return callable(thing) and type(thing).__name__ == "function"


def _unused(function: ast.AST) -> set[str]:
    """Return the variables that a function sets and never reads."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    return {node.id for node in names} - read


def _written(function: ast.AST, forward: Set[int]) -> list[str]:
    """Return the arrays that a function sets or writes to, except in lines of the forward part."""
    found: dict[str, None] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno not in forward:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= dict.fromkeys(name for target in targets for name in _bases(target))
    return list(found)


def _untouched(function: ast.AST) -> set[str]:
    """Return the variables and attributes that a function sets once to zeros, and never adds to."""
    found: dict[str, int] = {}
    zeros: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name for target in targets for name in _bases(target)]
            for name in names:
                found[name] = found.get(name, 0) + 1
            if isinstance(node, ast.Assign) and "zeros" in ast.unparse(node.value):
                zeros.update(names)
    return {name for name in zeros if found[name] == 1}


def _bases(target: ast.expr) -> list[str]:
    """Return the arrays that are written: the array of a part, each of several."""
    if isinstance(target, ast.Tuple | ast.List):
        return [name for each in target.elts for name in _bases(each)]
    if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        return _bases(target.value)
    return [ast.unparse(target)]


def _calls(site: Site) -> list[str]:
    """Return the function's calls of the file's functions with one array, and of those with one argument."""
    found: dict[str, None] = {}
    for node in ast.walk(site.function):
        if (
            isinstance(node, ast.Call)
            and node.args
            and not isinstance(node.args[0], ast.Constant | ast.Starred)
        ):
            name, text = site.source.of(node.func), site.source.of(node)
            (start, end), (first, _) = site.source.span(node.args[0]), site.source.span(node)
            raw = text.encode()
            around = [raw[: start - first].decode(), raw[end - first :].decode()]
            if type(site.terms.get(name)).__name__ == "function" and "{" not in text and "\n" not in text:
                found.setdefault("{0}".join(around))
    for text, each in site.terms.items():
        code = getattr(each, "__code__", None)
        if code is not None and code.co_argcount == 1 and "." not in text:
            found.setdefault(f"{text}({{0}})")
    return [text for text in found if text.count("{") == 1]


def _indices(site: Site) -> list[str]:
    """Return the variable indices at which the functions of the file read or write arrays.

    In each place there may also be another whole number: `[:, y[i]]` for `[:, j]`.
    """
    found: dict[str, list[str]] = {}
    for node in (*ast.walk(site.function), *ast.walk(site.source.tree)):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            text = site.source.of(node)[len(site.source.of(node.value)) :].lstrip(")")
            if text.startswith("[") and "\n" not in text and text not in found:
                places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                found[text] = [site.source.of(each) for each in places]
    known = dict.fromkeys(place for places in found.values() for place in places if ":" not in place)
    numbers = [place for place in known if isinstance(site.scope.value(place), int | np.integer)]
    others = [
        f"[{', '.join([*places[:i], number, *places[i + 1 :]])}]"
        for places in found.values()
        for i, place in enumerate(places)
        for number in numbers
        if ":" not in place and place != number and len(numbers) <= 6
    ]
    return list(dict.fromkeys([*found, *others]))
