"""Run a program with other code in its functions and loops, but the same module, classes and closures."""

from __future__ import annotations

import ast
import gc
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autograd_ref.crosscheck.program.calling.loops import NAMED, loops_of, round_code
from autograd_ref.crosscheck.program.repair.source import Change, Source

__all__ = ["Program"]

_FUTURE = 0xFFF000  # the bits for `from __future__ import ...` in a code object's flags


class Program:
    """The functions of one file, as they are in memory.

    Args:
        source: source of the file.

    Attributes:
        source: the same.
        is_same: whether the code in memory was compiled from this source.
    """

    def __init__(self, source: Source):
        self.source = source
        self._blocks: dict[int, types.CodeType] = {}
        self._functions: dict[tuple[str, int], list[types.FunctionType]] = {}
        for each in gc.get_objects():
            if type(each) is types.FunctionType and each.__code__.co_filename == source.file:
                key = (each.__code__.co_qualname, each.__code__.co_firstlineno)
                if key[0] != "<module>":  # of a program that runs at this moment
                    self._functions.setdefault(key, []).append(each)
        self._known = {key: functions[0].__code__ for key, functions in self._functions.items()}
        rounds = {key for key in self._known if key[0].startswith(NAMED)}
        loops = {each.line: each for each in loops_of(source.text.decode())} if rounds else {}
        self._rounds = {key: loops[key[1]].shared for key in rounds if key[1] in loops}
        self._flags = next((code.co_flags & _FUTURE for code in self._known.values()), 0)
        self.is_same = self._is_same()

    def _is_same(self) -> bool:
        found = {
            (code.co_qualname, code.co_firstlineno): code
            for code in _codes(self._compiled(self.source.text, 0))
        }
        for node in _loops(self.source.tree):
            found |= {key: self._round(key, node) for key in self._rounds if key[1] == node.lineno}
        return all(key in found and found[key] == code for key, code in self._known.items())

    def _compiled(self, text: bytes, lines_before: int) -> types.CodeType:
        whole = "\n" * lines_before + text.decode()
        return compile(whole, self.source.file, "exec", flags=self._flags, dont_inherit=True)

    def block(self, position: int) -> ast.stmt:
        """Return the statement at the top level of the module that contains a position."""
        for node in self.source.tree.body:
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            if self.source.starts[first - 1] <= position <= self.source.span(node)[1]:
                return node
        raise ValueError("this position is not in a statement of the module")

    def code(self, changes: Sequence[Change]) -> dict[tuple[str, int], types.CodeType]:
        """Return the code of all functions in the statements that contain changes.

        Raises:
            SyntaxError: the changed text is not Python.
        """
        blocks: dict[int, tuple[ast.stmt, list[Change]]] = {}
        for each in changes:
            node = self.block(each.start)
            blocks.setdefault(id(node), (node, []))[1].append(each)
        made: dict[tuple[str, int], types.CodeType] = {}
        for node, some in blocks.values():
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            start, end = self.source.starts[first - 1], self.source.span(node)[1]
            if id(node) not in self._blocks:
                self._blocks[id(node)] = self._compiled(self.source.text[start:end], first - 1)
            old = self._blocks[id(node)]
            new = self._compiled(self.source.changed(some, start, end), first - 1)
            made.update(_paired(old, new))
            inside = [key for key in self._rounds if node.lineno <= key[1] <= (node.end_lineno or 0)]
            if inside:
                text = b"\n" * (first - 1) + self.source.changed(some, start, end)
                pairs = zip(_loops(node), _loops(ast.parse(text)), strict=True)
                made |= {
                    key: self._round(key, other)
                    for each, other in pairs
                    for key in inside
                    if key[1] == each.lineno
                }
        return made

    def _round(self, key: tuple[str, int], node: ast.For | ast.While) -> types.CodeType:
        """Return the code of a function that runs one round of a loop."""
        code = self._known[key]
        given = code.co_varnames[: code.co_argcount]
        return round_code(node, key[0], given, self._rounds[key], self.source.file)

    @contextmanager
    def running(self, made: dict[tuple[str, int], types.CodeType]) -> Iterator[None]:
        """Let the functions run other code inside this context."""
        placed: list[tuple[types.FunctionType, types.CodeType]] = []
        try:
            for key, code in made.items():
                for function in self._functions.get(key, ()):
                    if code.co_freevars == function.__code__.co_freevars:
                        placed.append((function, function.__code__))
                        function.__code__ = code
            yield
        finally:
            for function, code in placed:
                function.__code__ = code


def _loops(tree: ast.AST) -> list[ast.For | ast.While]:
    return [each for each in ast.walk(tree) if isinstance(each, ast.For | ast.While)]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _codes(each)


def _paired(old: types.CodeType, new: types.CodeType) -> dict[tuple[str, int], types.CodeType]:
    """Return the new code by name and line of the old code with the same name, in the order of the file."""
    by_name: dict[str, list[types.CodeType]] = {}
    for each in _codes(new):
        by_name.setdefault(each.co_qualname, []).append(each)
    found: dict[tuple[str, int], types.CodeType] = {}
    for each in _codes(old):
        if by_name.get(each.co_qualname):
            found[each.co_qualname, each.co_firstlineno] = by_name[each.co_qualname].pop(0)
    return found
