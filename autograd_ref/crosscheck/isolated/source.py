"""The Python that a file has: plain, with the lines of a notebook that are none, or a notebook itself."""

import ast
import json
import linecache
import re
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["cells_of", "ignored_in", "is_plain", "run_cells", "source_of"]

# %matplotlib inline, %%time, !pip install, ?help and help?
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*)$", re.MULTILINE)


def source_of(file: Path) -> str:
    """All the Python of a file, line by line as it has them."""
    return "\n".join(cells_of(file))


def is_plain(file: Path) -> bool:
    """Whether a file is Python as it is."""
    if file.suffix == ".ipynb":
        return False
    text = _text(file)
    return "get_ipython" not in text and _is_python(text)


def cells_of(file: Path) -> list[str]:
    """The code cells of a notebook, or all of another file, without lines that are not Python.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    if file.suffix != ".ipynb":
        text = _text(file)
        plain = text if _is_python(text) else _MAGIC.sub(r"\1pass", text)
        return [plain if _is_python(plain) else text]
    return [_MAGIC.sub(r"\1pass", text) for text in _code_of(file) if not text.startswith("%%")]


def ignored_in(file: Path) -> list[str]:
    """The lines that are not Python and are left out: %matplotlib inline, !ls, and the first of a %%cell.

    Raises:
        OSError, ValueError: it cannot be read.
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
    """Run a file's cells in a module, as a notebook does: one that fails leaves those before it.

    Raises:
        Exception: what the only cell raised.
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
    """Stands for IPython: whatever is asked of it does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = [each["source"] for each in cells if each["cell_type"] == "code"]
    return [each if isinstance(each, str) else "".join(each) for each in sources]


def _text(file: Path) -> str:
    with tokenize.open(file) as opened:
        return opened.read()


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
