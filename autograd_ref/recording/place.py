"""The place of an operation in the user's source: file, line and columns of the exact expression."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import cache
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import NamedTuple

__all__ = ["Calls", "Place", "caller_file", "here", "is_foreign", "place_here", "place_of", "trail"]

_RECORD = str(Path(__file__).parent / "record.py")
_HERE = str(Path(__file__).parent) + os.sep
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
_OTHERS = {"beartype", "jax", "jaxlib", "jaxtyping", "numba", "numpy", "scipy", "torch"}
_INSTALLED = (f"site-packages{os.sep}", f"dist-packages{os.sep}")
_foreign_files: dict[str, bool] = {}


class Place(NamedTuple):
    """An expression in a source file.

    Attributes:
        file: the file name in the code object.
        line: line of its first character, from 1.
        end_line: line of its last character.
        column: column of its first character, in bytes from 0, like in the compiler.
        end_column: column after its last character.
        function: the qualified name of the function that contains it.
    """

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column + 1}"


def is_foreign(file: str) -> bool:
    """Whether a file belongs to Python, NumPy or this package, not to the program."""
    found = _foreign_files.get(file)
    if found is None:
        found = file.startswith(("<__array_function__", "<frozen ", "<@beartype", _HERE))
        package = next((file.split(part, 1)[1].split(os.sep)[0] for part in _INSTALLED if part in file), None)
        found = found or (file.startswith(_STANDARD) if package is None else package in _OTHERS)
        _foreign_files[file] = found
    return found


def caller_file() -> str:
    """Return the file of the innermost running code outside this package."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith((_HERE, "<@beartype")) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename


def here(thread: int | None = None) -> tuple[CodeType | None, int]:
    """Return the innermost running instruction of the program itself, in this thread or another."""
    frame = sys._getframe(1) if thread is None else sys._current_frames()[thread]
    while frame is not None:
        if not is_foreign(frame.f_code.co_filename):
            return frame.f_code, frame.f_lasti
        frame = frame.f_back  # type: ignore[assignment]
    return None, -1


Calls = tuple[tuple[CodeType, int], ...]


def trail(last: Calls) -> tuple[CodeType | None, int, Calls]:
    """Return the program's running instruction, and its own calls up to it, innermost first.

    Args:
        last: the calls that were found before; returned if they are the same, to keep only one copy.
    """
    found: list[tuple[CodeType, int]] = []
    frame = sys._getframe(2)  # above the tape
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        try:
            foreign = _foreign_files[file]
        except KeyError:
            foreign = is_foreign(file)
        if not foreign:
            found.append((code, frame.f_lasti))
        elif file == _RECORD:
            break
        frame = frame.f_back  # type: ignore[assignment]
    if not found:
        return *here(), ()
    calls = tuple(found[1:])
    return *found[0], last if calls == last else calls


def place_here(thread: int | None = None) -> Place | None:
    """Return the place of the innermost running instruction of the program itself, if there is one."""
    code, position = here(thread)
    return None if code is None else place_of(code, position)


def place_of(code: CodeType, position: int) -> Place:
    """Return the place of an instruction."""
    return _place_of(code, position, code.co_filename)  # equal code may be in several files


@cache
def _place_of(code: CodeType, position: int, file: str) -> Place:
    line, end_line, column, end_column = next(
        islice(code.co_positions(), max(position, 0) // 2, None), (None,) * 4
    )
    first = code.co_firstlineno if line is None else line
    return Place(file, first, end_line or first, column or 0, end_column or 0, code.co_qualname)
