"""The Python code in a file: plain, with lines from a notebook that are not Python, or a notebook itself."""

import ast
import json
import linecache
import re
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["NotANotebookError", "cells_of", "ignored_in", "is_plain", "run_cells", "source_of"]

# %matplotlib inline, %%time, !pip install, ?help and help?
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*)$", re.MULTILINE)


class NotANotebookError(ValueError):
    """A file has the name of a notebook, but not the content."""


def source_of(file: Path) -> str:
    """Return all the Python code of a file, with its line numbers."""
    return "\n".join(cells_of(file))


def is_plain(file: Path) -> bool:
    """Whether a file is plain Python."""
    if file.suffix == ".ipynb":
        return False
    text = _text(file)
    return "get_ipython" not in text and _is_python(text)


def cells_of(file: Path) -> list[str]:
    """Return the code cells of a notebook, or all of another file, without lines that are not Python.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    if file.suffix != ".ipynb":
        text = _text(file)
        plain = text if _is_python(text) else _MAGIC.sub(r"\1pass", text)
        return [plain if _is_python(plain) else text]
    return [_MAGIC.sub(r"\1pass", text) for text in _code_of(file) if not text.startswith("%%")]


def ignored_in(file: Path) -> list[str]:
    """Return the lines that are not Python and are left out: %matplotlib inline, !ls, the first of a %%cell.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    if file.suffix == ".ipynb":
        texts = _code_of(file)
    else:
        texts = [_text(file)]
        if _is_python(texts[0]) or not _is_python(source_of(file)):
            return []
    cells = [text.partition("\n")[0] if text.startswith("%%") else text for text in texts]
    return [line[0].strip() for text in cells for line in _MAGIC.finditer(text)]


def run_cells(file: Path, module: ModuleType) -> None:
    """Run a file's cells in a module, like a notebook: a failing cell keeps the results of earlier cells.

    Raises:
        Exception: the exception of the only cell.
    """
    cells = cells_of(file)
    lines = "\n".join(cells).splitlines(keepends=True)
    linecache.cache[str(file)] = (sum(map(len, lines)), None, lines, str(file))
    vars(module)["get_ipython"] = _Nothing
    start = 0
    for cell in cells:
        try:
            exec(compile("\n" * start + cell, str(file), "exec"), vars(module))  # noqa: S102 - the user's own
        except Exception:
            if len(cells) == 1:
                raise
        start += cell.count("\n") + 1


class _Nothing:
    """A stand-in for IPython whose methods do nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _code_of(notebook: Path) -> list[str]:
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources = [each["source"] for each in cells if each["cell_type"] == "code"]
        return [each if isinstance(each, str) else "".join(each) for each in sources]
    except (KeyError, TypeError, ValueError) as error:
        raise NotANotebookError(f"is not a notebook: {type(error).__name__}: {error}") from None


def _text(file: Path) -> str:
    with tokenize.open(file) as opened:
        return opened.read()


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
