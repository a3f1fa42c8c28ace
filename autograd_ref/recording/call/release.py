"""Replace all recording objects by plain ones after the call, wherever they are."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from autograd_ref.recording.call.given import Given
from autograd_ref.recording.call.reachable import Walk
from autograd_ref.recording.stand_ins.generators import GENERATORS
from autograd_ref.recording.stand_ins.objects import ORIGINALS, RECORDED, forget_found

__all__ = ["release", "unsearched"]

_RECORD = f"recording{os.sep}record.py"
_ROUNDS = 3
_RARELY = 20_000, 10, 10  # thresholds of the garbage collector
_REFERENCES: list[int] = []  # to the classes of recording objects while there are none
_FEW = 8  # for which one search in C is faster than one in Python

Take = Callable[[str, Any], Any]


def _references() -> list[int]:
    """Return the number of references to each class of recording objects; each object has one."""
    return [sys.getrefcount(kind) for kind in (*RECORDED, *GENERATORS)]


@contextmanager
def unsearched() -> Iterator[None]:
    """Exclude objects that exist before a call from the search for recording objects.

    The tape only grows, so garbage is also collected less often: it would be a tenth of the time.
    """
    if not _REFERENCES:
        _REFERENCES.extend(_references())
    freezes, thresholds = gc.get_freeze_count() == 0, gc.get_threshold()
    if freezes:
        gc.freeze()
    if 0 < thresholds[0] < _RARELY[0]:
        gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        if freezes:
            gc.unfreeze()
        if gc.get_threshold() == _RARELY:
            gc.set_threshold(*thresholds)


def release(
    given: Given, take: Take, returned: list[Any], before: dict[int, Any], error: BaseException | None = None
) -> Any:
    """Replace all recording objects by plain ones.

    Args:
        given: the call.
        take: takes a path and the object there, and returns a plain one.
        returned: a list with the result of the call, which is removed from it; empty if the call raised.
        before: the program's objects from before the call.
        error: the exception that the call raised.

    Returns:
        The plain result.
    """

    def replace(path: str, thing: Any) -> Any:
        if type(thing) in GENERATORS:
            return thing._twin
        return ORIGINALS[id(thing)] if id(thing) in ORIGINALS else take(path, thing)

    walk = Walk(replace, given.module)
    result = walk.visit_result(returned.pop(), before) if returned else None
    given.walk(walk)
    given.forget()
    if error is not None:
        walk.visit("error", error)
        _release_frames(error, walk)
    del walk
    forget_found()
    _release_hidden(replace)
    return result


def _release_frames(error: BaseException, walk: Walk) -> None:
    """Release local variables that a debugger or pytest shows for an exception and its causes."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        trace = each.__traceback__
        while trace is not None:
            _release_frame(trace.tb_frame, walk)
            trace = trace.tb_next


def _release_frame(frame: types.FrameType, walk: Walk) -> None:
    if frame.f_code.co_filename.endswith(_RECORD) or frame.f_code.co_name == "<module>":
        return
    names = frame.f_locals
    for name, each in list(names.items()):
        names[name] = walk.visit(name, each)
    if sys.version_info < (3, 13):  # later ones write through
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


def _release_hidden(replace: Take) -> None:
    """Release objects that the walk from the call did not reach: in other modules' caches, or held by C code.

    First search the few objects that the run created. Older objects are frozen, and searched only if
    something is left, because searching a large process takes a good part of a second.
    """
    if not _left_behind():
        return
    gc.collect()  # unreferenced cycles
    left = _left_behind()
    if left:
        _release_holders(left, replace)
        del left
        gc.collect()
        left = _left_behind()
    if not left:
        return
    gc.unfreeze()
    for _ in range(_ROUNDS):
        _release_holders(left, replace)
        left = _still_held(left)
        if not left:
            return
        gc.collect()
        left = _still_held(left)


def _release_holders(left: list[Any], replace: Take) -> None:
    walk = Walk(replace)
    renewed: list[tuple[Any, Any]] = []  # immutable objects, such as tuples, with their replacements
    for holder in _holders(left):
        if isinstance(holder, types.GeneratorType) and holder.gi_frame is not None:
            _release_frame(holder.gi_frame, walk)
        if holder is left or isinstance(holder, (types.FrameType, types.GeneratorType)):
            continue  # frames of an exception: objects in them act as plain from now on
        if hasattr(holder, "cache_clear"):
            holder.cache_clear()  # cached entries cannot be replaced; they are computed again
            continue
        new = walk.visit("", holder)
        if new is not holder:
            renewed.append((holder, new))
    if not renewed:
        return
    places = {id(old): new for old, new in renewed}
    for outer in _holders([old for old, _ in renewed]):
        if isinstance(outer, (dict, list)) and outer is not renewed:
            for key, each in list(outer.items() if isinstance(outer, dict) else enumerate(outer)):
                if id(each) in places:
                    outer[key] = places[id(each)]


def _holders(things: list[Any]) -> list[Any]:
    """Return all objects that refer to one of some objects."""
    if len(things) <= _FEW:
        return gc.get_referrers(*things)
    wanted = set(map(id, things))  # get_referrers compares every reference with every thing
    return [each for each in gc.get_objects() if not wanted.isdisjoint(map(id, gc.get_referents(each)))]


def _still_held(left: list[Any]) -> list[Any]:
    """Return the objects that are referenced by more than this list and the local variables here."""
    return [each for each in left if sys.getrefcount(each) > 3]


def _left_behind() -> list[Any]:
    if _references() == _REFERENCES:
        return []
    objects, kinds = gc.get_objects(), RECORDED | GENERATORS
    if kinds.isdisjoint(map(type, objects)):  # the common case, in C
        return []
    return [each for each in objects if type(each) in kinds]
