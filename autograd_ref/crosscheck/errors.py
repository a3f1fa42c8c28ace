"""One line about an exception: its text, its place in the target's file, and what to do about it."""

import importlib.util
import inspect
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

__all__ = [
    "FAULT",
    "LONGEST_REFUSAL",
    "cause",
    "failed",
    "file_of",
    "in_user_code",
    "is_beside",
    "is_own_fault",
    "one_line",
    "what_stopped",
]

# Packages whose names for installation and import differ.
PACKAGES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "past": "future",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
PYTHON_2_MODULES = {"cPickle", "ConfigParser", "Queue", "StringIO", "Tkinter", "__builtin__", "urllib2"}
PYTHON_2_NAMES = {"basestring", "execfile", "long", "raw_input", "reduce", "unicode", "xrange"}
# print "x"; exec "x"; raise E, "x"; except E, e:; a <> b; `x`; 1L; 0777; ur"x"
PYTHON_2_LINE = re.compile(
    r"""^\s*(print|exec)\s+[^(=\s] | \braise\s+[\w.]+\s*, | \bexcept\s+[^:]+,\s*\w+\s*: | <> | `
    | (?<![\w.])(\d+L\b | 0\d+\b) | \bur["']""",
    re.VERBOSE,
)
LONGEST, LONGEST_REFUSAL = 300, 600
OWN = str(Path(__file__).parents[1])
FAULT = "an error in this checker, please report it: "
# How far above a file its project may begin.
LEVELS = 5


def what_stopped(error: BaseException, file: str) -> str:
    """Describe an exception in one line, with the last line of the target's file in its traceback.

    Args:
        error: the exception.
        file: the target's file.

    Returns:
        The exception's text or, for common causes, what to do about it.
    """
    if isinstance(error, SyntaxError) and error.filename is not None:
        place = "" if error.filename == file else f"{Path(error.filename).name}, "
        python_2 = "is Python 2: " if PYTHON_2_LINE.search(error.text or "") else ""
        said = (error.text or "").strip() if python_2 else f"{type(error).__name__}: {error.msg}"
        return one_line(f"{python_2}{place}line {error.lineno}: {said}")
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if _is_in(frame, file)]
    return one_line((f"line {lines[-1]}: " if lines else "") + cause(error, file))


def failed(what: str, error: BaseException, file: str) -> str:
    """Return ``what`` with the place and the text of the exception that it raised, in one line."""
    told = what_stopped(error, file)
    return f"{what} fails {'at' if told.startswith('line ') else 'with'} {told}"


def in_user_code(error: BaseException | None) -> BaseException | None:
    """Return an exception with the frames of the user's code alone, and its cause likewise.

    Args:
        error: the exception.

    Returns:
        The exception, or None if no code of the user raised it.
    """
    if error is None:
        return None
    kept = None
    for frame, last, line in reversed(list(_frames(error.__traceback__))):
        kept = TracebackType(kept, frame, last, line)
    if kept is None:
        return None
    error.__cause__ = in_user_code(error.__cause__)
    error.__suppress_context__ = True
    # Frames of JAX are gone, and so is its note about them.
    notes = getattr(error, "__notes__", [])
    notes[:] = [each for each in notes if "JAX_TRACEBACK_FILTERING" not in each]
    return error.with_traceback(kept)


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int, int]]:
    while trace is not None:
        if not _is_own_or_foreign(trace.tb_frame.f_code.co_filename):
            yield trace.tb_frame, trace.tb_lasti, trace.tb_lineno
        trace = trace.tb_next


def is_own_fault(error: BaseException) -> bool:
    """Whether an exception comes from this package, without code of the user above it."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, Exception) and all(map(_is_own_or_foreign, files))


def _is_own_or_foreign(file: str) -> bool:
    from autograd_ref.recording.place import is_foreign

    return file.startswith(OWN) or is_foreign(file)


def is_beside(error: FileNotFoundError, file: str) -> bool:
    """Whether a file that is missing in the working directory exists in the target's own folder."""
    name = error.filename
    return bool(file) and isinstance(name, str) and (Path(file).parent / name).exists()


def file_of(function: Any) -> str:
    """Return the file of a function's source, as tracebacks name it; empty if it is not written in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else str(code.co_filename)


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return the text as one line that fits on a screen, without control characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def cause(error: BaseException, file: str = "") -> str:
    """Return the exception's text or, for common causes, what to do about it.

    Args:
        error: the exception.
        file: the target's file; a module that was not found may be beside or above it.
    """
    match error:
        case ModuleNotFoundError(name=str(name)) if name.split(".")[0] in PYTHON_2_MODULES:
            return f"is Python 2: imports {name}"
        case ModuleNotFoundError(name=str(name)) if importlib.util.find_spec(name.split(".")[0]) is None:
            package = name.split(".")[0]
            folder = _folder_of(package, file)
            if folder is not None:
                return (
                    f"{package} is part of the same project and not found from here: run the check in "
                    f"{folder}, or set PYTHONPATH={folder}"
                )
            return f"{package} is not installed: pip install {PACKAGES.get(package, package)}"
        case NameError(name=str(name)) if name in PYTHON_2_NAMES:
            return f"is Python 2: uses {name}"
        case SystemExit():
            return f"calls sys.exit({error.code!r})"
        case EOFError() if "reading a line" in str(error):
            return (
                "calls input(), which has no terminal here: replace it by a value, or move it "
                "under if __name__ == '__main__':"
            )
        case MemoryError():
            return f"runs out of memory: {_text(error)}"
        case FileNotFoundError(filename=str(name)) if is_beside(error, file):
            return f"{name} is not found from here: run the check in {Path(file).parent}"
        case ImportError() if "no known parent package" in str(error):
            return f"{error}: its folder lacks an __init__.py"
        case _:
            return f"{type(error).__name__}: {_text(error)}".rstrip(": ")


def _folder_of(module: str, file: str) -> Path | None:
    """Return the folder of a file, or one not far above, that contains a module or package of this name."""
    for folder in list(Path(file).parents)[:LEVELS] if file else ():
        if (folder / f"{module}.py").is_file() or any((folder / module).glob("*.py")):
            return folder
    return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _is_in(frame: Any, file: str) -> bool:
    return bool(frame.f_code.co_filename == file)
