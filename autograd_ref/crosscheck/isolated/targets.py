"""Find and load the target of a check: FILE.py:NAME or package.module:NAME."""

import ast
import importlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograd_ref.crosscheck.errors import cause, is_beside, one_line, what_stopped
from autograd_ref.crosscheck.isolated.source import NotANotebookError, is_plain, run_cells, source_of
from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = ["Target", "file_of", "load_module", "load_target"]


# Returns a context that watches the import of a file.
Around = Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Target:
    """The named class, function or object, with its module and file."""

    value: Any
    module: ModuleType
    file: str


def file_of(spec: str) -> tuple[str, str]:
    """Return the file and the name of a target, FILE.py:NAME or package.module:NAME.

    Raises:
        NotJudged: the file or module does not exist, or no name was given.
    """
    where, _, name = spec.rpartition(":")
    if not where and _is_file(name):
        raise NotJudged("there is no such file; a target is FILE.py, FILE.py:NAME or package.module:NAME")
    if not where and Path(f"{name}.py").is_file():
        raise NotJudged(f"there is no such target: write {name}.py for everything in it, or {name}.py:NAME")
    if not where or not name:
        raise NotJudged("does not name a class or function: write FILE.py:NAME or package.module:NAME")
    file = str(Path(where).resolve()) if _is_file(where) else _file_of_module(where)
    if not Path(file).is_file():
        raise NotJudged(f"there is no file {where}")
    return file, name


def _is_file(where: str) -> bool:
    return where.endswith((".py", ".ipynb")) or os.sep in where


def load_target(spec: str, around: Around | None = None) -> Target:
    """Import the module that a target names, FILE.py:NAME or package.module:NAME, and return the target.

    NAME may have dots.

    Args:
        spec: the target.
        around: returns a context that watches the import of a file.

    Raises:
        NotJudged: the file, module or name does not exist, or importing it fails for any reason.
    """
    file, name = file_of(spec)
    where = spec.rpartition(":")[0]
    module = load_module(where, file, around)
    try:
        value = reduce(getattr, name.split("."), module)
    except AttributeError:
        raise NotJudged(f"there is no {name} in {where}{_candidates(module)}") from None
    return Target(value, module, file)


def load_module(where: str, file: str, around: Around | None = None) -> ModuleType:
    """Import FILE.py or package.module.

    A file inside a package is imported as part of it, with the package's parent folder first on the path,
    like in pytest; so relative imports work, even in a folder without an __init__.py. A file that opens
    another one beside it is run in its own folder. This runs the module's code and may change the working
    directory, so it needs a separate interpreter.

    Args:
        where: the module as given.
        file: file of the module.
        around: returns a context that watches the import of a file.

    Raises:
        NotJudged: importing it fails for any reason.
    """
    sys.argv = [file]
    load = partial(_import_file, Path(file)) if _is_file(where) else partial(importlib.import_module, where)
    try:
        # Changes of NumPy's error settings and of warnings by the module must not affect the check.
        with np.errstate(), warnings.catch_warnings(), around(file) if around else nullcontext():
            try:
                return load()
            except FileNotFoundError as error:
                if not is_beside(error, file):
                    raise
                os.chdir(Path(file).parent)
                return load()
    except NotJudged:
        raise
    except NotANotebookError as error:
        raise NotJudged(str(error)) from None
    except BaseException as error:
        raise NotJudged(what_stopped(error, file)) from error


def _file_of_module(name: str) -> str:
    """Return the file of a module that is found from the working directory, like with `python -m`."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        raise NotJudged(f"there is no module {error.name} here or among the installed packages") from None
    except BaseException as error:
        raise NotJudged(f"its package fails: {one_line(cause(error))}") from error
    if spec is None or spec.origin is None:
        raise NotJudged(f"there is no module {name} here or among the installed packages")
    return spec.origin


def _import_file(file: Path) -> ModuleType:
    """Import a file, as part of its package if it is in one."""
    root, parts = file.parent, [] if file.stem == "__init__" else [file.stem]
    levels = _levels(file) if file.stem.isidentifier() else 0
    while root.name.isidentifier() and ((root / "__init__.py").is_file() or len(parts) <= levels):
        root, parts = root.parent, [root.name, *parts]
    sys.path[:] = [str(root), *sys.path, str(Path.cwd()), str(file.parent)]
    if root == file.parent:
        return _import_alone(file)
    name = ".".join(parts)
    module = importlib.import_module(name)
    if Path(module.__file__ or "").resolve() != file:
        raise NotJudged(f"another module has the name {name}: {module.__file__}")
    return module


def _levels(file: Path) -> int:
    """Return the number of folders that its relative imports go up; 0 without relative imports."""
    try:
        tree = ast.parse(source_of(file))
    except (SyntaxError, ValueError):
        return 0
    return max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)


def _import_alone(file: Path) -> ModuleType:
    """Import a file that is not in a package, with any name; two files may share a name."""
    loaded = sys.modules.get(file.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(file):
        return loaded
    name = file.stem if loaded is None else f"{file.stem}, the target"
    loader = SourceFileLoader(name, str(file)) if file.suffix == ".ipynb" else None
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None or spec.loader is None:
        raise NotJudged(f"{file.name} is not a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        if is_plain(file):
            spec.loader.exec_module(module)
        else:
            run_cells(file, module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _candidates(module: ModuleType) -> str:
    """Return a phrase with the classes of a module that have a loss, and its functions."""
    everything = vars(module).items()
    own = [item for item in everything if getattr(item[1], "__module__", None) == module.__name__]
    names = [name for name, value in own if callable(getattr(value, "loss", None))]
    names += [name for name, value in own if inspect.isfunction(value)]
    return f"; it has {', '.join(names[:8])}" if names else "; it has no class with a loss and no function"
