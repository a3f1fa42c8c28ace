"""After the call: plain objects in the places of all that records, wherever it is."""

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
from autograd_ref.recording.stand_ins.modules import originals
from autograd_ref.recording.stand_ins.objects import RECORDED

__all__ = ["release", "unsearched"]

_RECORD = f"recording{os.sep}record.py"


Take = Callable[[str, Any], Any]


@contextmanager
def unsearched() -> Iterator[None]:
    """What exists before a call cannot record: it is left out where recording objects are looked for."""
    freezes = gc.get_freeze_count() == 0
    if freezes:
        gc.freeze()
    try:
        yield
    finally:
        if freezes:
            gc.unfreeze()


def release(given: Given, take: Take, returned: list[Any], error: BaseException | None = None) -> Any:
    """Put plain objects in the places of all that records.

    Args:
        given: the call.
        take: takes a path and what is there, and returns what is plain in its place.
        returned: what the call returned, taken out of this list; empty if it raised.
        error: that the call raised.

    Returns:
        The result, plain.
    """
    stand_ins = originals()

    def replace(path: str, thing: Any) -> Any:
        if type(thing) in GENERATORS:
            return thing._twin
        return stand_ins[id(thing)] if id(thing) in stand_ins else take(path, thing)

    walk = Walk(replace, given.module)
    walk.with_floats = True
    result = walk.visit("return", returned.pop()) if returned else None
    walk.with_floats = False
    given.walk(walk)
    given.forget()
    if error is not None:
        walk.visit("error", error)
        _release_frames(error, walk)
    del walk
    _release_hidden(replace)
    return result


def _release_frames(error: BaseException, walk: Walk) -> None:
    """The local variables that a debugger or pytest shows for an exception."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_code.co_filename.endswith(_RECORD) and frame.f_code.co_name != "<module>":
            names = frame.f_locals
            for name, each in list(names.items()):
                names[name] = walk.visit(name, each)
            if sys.version_info < (3, 13):  # later ones write through
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
        trace = trace.tb_next


def _release_hidden(replace: Take) -> None:
    """What the walk from the call did not reach: caches of other modules, objects held by C code."""
    for _ in range(4):
        left = _left_behind()
        if not left:
            return
        gc.unfreeze()
        holders = [each for each in gc.get_referrers(*left) if each is not left]
        del left
        walk = Walk(replace)
        for holder in holders:
            _release_from(holder, walk)
        del holders, walk
        gc.collect()


def _release_from(holder: Any, walk: Walk) -> None:
    if isinstance(holder, (types.FrameType, types.GeneratorType)):
        return  # the frames of an exception: what is in them acts as plain from now on
    if hasattr(holder, "cache_clear"):
        holder.cache_clear()  # what functools keeps cannot be replaced; it will be computed again
        return
    new = walk.visit("", holder)
    if new is holder:
        return
    for outer in gc.get_referrers(holder):
        if isinstance(outer, (dict, list)):
            for key, each in list(outer.items() if isinstance(outer, dict) else enumerate(outer)):
                if each is holder:
                    outer[key] = new


def _left_behind() -> list[Any]:
    return [each for each in gc.get_objects() if type(each) in RECORDED or type(each) in GENERATORS]
