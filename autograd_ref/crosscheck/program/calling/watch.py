"""Notice a call that a program makes itself, or a round of a loop, and judge it immediately.

The program waits meanwhile, and no part of it is run twice: the other points are the same call with moved
arrays.
"""

import ast
import gc
import inspect
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

from autograd_ref.crosscheck.program.calling.caught import Call, has_floating
from autograd_ref.crosscheck.program.calling.foreign import has_foreign
from autograd_ref.crosscheck.program.calling.loops import Loop, Round, calls_any, lowers, round_of
from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = ["Met", "has_example", "is_called_plainly", "watching"]

# The largest number of loops of a file to try.
MOST = 8

# The number of calls in which globals are searched for arrays: a function without any may be called often,
# and a vocabulary among the globals may be large.
SEARCHED = 20


class Met(NamedTuple):
    """A call that a program is about to make.

    Attributes:
        function: the called function.
        call: its arguments.
        space: the globals of the function.
    """

    function: Callable[..., Any]
    call: Call
    space: dict[str, Any]


@contextmanager
def watching(
    file: str,
    names: Collection[str],
    nth: int,
    meet: Callable[[str, Met], None],
    loops: Collection[Loop] = (),
    meet_round: Callable[[Loop, Round], bool] | None = None,
) -> Iterator[dict[str, list[int]]]:
    """Watch for calls while a program runs.

    Args:
        file: the file with the functions.
        names: names of the functions: ``step``, ``Net.step``.
        nth: the number of the wanted call of each function, among calls with floating arrays, from 1.
        meet: called with the name and the call before it is made; its exceptions go to the program.
        loops: the loops of the file.
        meet_round: called with a loop and its next round; returns whether the round could be judged.

    Yields:
        The number of calls of each function so far, and the number with floating arrays.
    """
    counts = {name: [0, 0] for name in names}
    wanted: dict[str, list[str]] = {}
    for name in names:
        wanted.setdefault(name.rpartition(".")[2], []).append(name)

    left = {(loop.scope, loop.first): loop for loop in reversed(list(loops))}
    rounds, tried = dict.fromkeys(left, 0), 0
    # Without arrays among its arguments, a function that trains is judged by its loop.
    training = {loop.scope for loop in loops if lowers(loop)}

    def notice(frame: FrameType, event: str, _: Any) -> Any:
        if event != "call":
            return None
        for name in wanted.get(frame.f_code.co_name, ()):
            if counts[name][1] < nth and _is_named(frame, file, name):
                call = _call_of(frame)
                counts[name][0] += 1
                is_searched = counts[name][0] <= SEARCHED and frame.f_code.co_qualname not in training
                read = _read_by(frame) if is_searched else []
                given = has_floating((*call.args, *read), call.kwargs)
                counts[name][1] += given or has_foreign(call.args, call.kwargs)
                if counts[name][1] == nth:
                    watch(None)
                    met = Met(_function_of(frame, name, call), call, frame.f_globals)
                    sys.call_tracing(meet, (name, met))  # judging needs its own profiler
                    watch(notice)
        scope = frame.f_code.co_qualname
        is_inside = any(scope == each for each, _ in left) and _resolved(frame.f_code.co_filename) == file
        return notice_line if is_inside else None

    def notice_line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal tried
        key = (frame.f_code.co_qualname, frame.f_lineno)
        if event != "line" or key not in left:
            return notice_line
        loop = left[key]
        rounds[key] += 1
        # Inner loops, and functions that it calls, are judged first.
        if rounds[key] < 2 and (loop.inner or calls_any(loop, wanted)):
            return notice_line
        del left[key]
        tried += 1
        watch(None)
        made = round_of(loop, file, frame.f_globals, frame.f_locals)
        judged = meet_round is not None and sys.call_tracing(meet_round, (loop, made))
        watch(notice)
        for each in [each for each in left if tried == MOST or (judged and each[0] == loop.scope)]:
            del left[each]
        return notice_line if left else None

    def watch(trace: Callable[..., Any] | None) -> None:
        sys.settrace(trace)
        threading.settrace(trace)

    if names or loops:
        watch(notice)
    try:
        yield counts
    finally:
        if names or loops:
            watch(None)


def has_example(tree: ast.Module, name: str) -> bool:
    """Whether a module has a function that draws the arguments of a function."""
    top = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    return bool(top & {"example", f"example_{name.replace('.', '_')}"})


def is_called_plainly(source: str, name: str) -> bool:
    """Whether a name is a function of a source that is called by neither an example nor a contract."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    if has_example(tree, name):
        return False
    body: list[ast.stmt] = tree.body
    *heads, last = name.split(".")
    for head in heads:
        found = [each for each in body if isinstance(each, ast.ClassDef) and each.name == head]
        if not found:
            return False
        body = found[-1].body
    functions = [each for each in body if isinstance(each, ast.FunctionDef) and each.name == last]
    names = [[each.arg for each in function.args.args] for function in functions]
    return bool(heads) or (bool(names) and names[-1] != ["params", "X", "y", "reg"])


def _is_named(frame: FrameType, file: str, name: str) -> bool:
    """Whether a frame is the named function, or a method that its class inherits."""
    code = frame.f_code
    qualified = code.co_qualname.rpartition("<locals>.")[2]
    if qualified == name:
        return _resolved(code.co_filename) == file
    head = name.rpartition(".")[0]
    if not head or not code.co_argcount:
        return False
    kind = type(frame.f_locals.get(code.co_varnames[0]))
    known = sys.modules.get(kind.__module__)
    return kind.__qualname__ == head and _resolved(getattr(known, "__file__", None) or "") == file


@cache
def _resolved(file: str) -> str:
    return str(Path(file).resolve()) if file else ""


def _call_of(frame: FrameType) -> Call:
    """Return the arguments of a frame that has just begun."""
    code, known = frame.f_code, frame.f_locals
    count, keywords = code.co_argcount, code.co_kwonlyargcount
    names = code.co_varnames
    args = tuple(known[each] for each in names[:count])
    kwargs = {each: known[each] for each in names[count : count + keywords]}
    rest = count + keywords
    if code.co_flags & inspect.CO_VARARGS:
        args += tuple(known[names[rest]])
        rest += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        kwargs |= known[names[rest]]
    return Call(args, kwargs, {})


def _read_by(frame: FrameType) -> list[Any]:
    """Return the globals and outer variables that a function and those that it calls may read."""
    space, code = frame.f_globals, frame.f_code
    found = {name: frame.f_locals.get(name) for name in code.co_freevars}
    left = [code]
    while left:
        for name in left.pop().co_names:
            each = space.get(name)
            if name not in found and inspect.isfunction(each) and each.__globals__ is space:
                left.append(each.__code__)
            found.setdefault(name, each)
    return [each for each in found.values() if not isinstance(each, (type, FunctionType, ModuleType))]


def _function_of(frame: FrameType, name: str, call: Call) -> Callable[..., Any]:
    """Return the function whose code a frame runs."""
    last = name.rpartition(".")[2]
    held = [frame.f_globals.get(last)]
    if call.args:
        held.append(inspect.getattr_static(type(call.args[0]), last, None))
    for each in [*held, *gc.get_referrers(frame.f_code)]:
        inner: Any = getattr(each, "__func__", each)
        inner = inspect.unwrap(inner) if callable(inner) else None
        if inspect.isfunction(inner) and inner.__code__ is frame.f_code:
            return inner
    raise NotJudged(f"{name} is called, but its function cannot be found")
