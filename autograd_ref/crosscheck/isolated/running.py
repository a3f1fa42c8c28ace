"""Run a user's program, up to the call to judge."""

import os
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from autograd_ref.crosscheck.errors import failed
from autograd_ref.crosscheck.isolated.meeting import watching_calls
from autograd_ref.crosscheck.isolated.source import is_plain, run_cells, source_of
from autograd_ref.crosscheck.isolated.targets import file_of
from autograd_ref.crosscheck.isolated.whole import methods_in
from autograd_ref.crosscheck.program.calling.watch import Met
from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = ["run_program", "run_until_call"]


def run_until_call(command: str, spec: str, nth: int, meet: Callable[[str, Met], NoReturn]) -> NoReturn:
    """Run a program until it makes a call.

    Args:
        command: as for `run_program`.
        spec: the function whose call is judged, FILE.py:NAME or package.module:NAME.
        nth: the number of the call among its calls with floating arrays.
        meet: takes the file and the call; does not return.

    Raises:
        NotJudged: the program does not exist, fails, or ends without the call.
    """
    file, name = file_of(spec)
    with watching_calls(file, [name], nth, lambda _, met: meet(file, met)) as counts:
        run_program(command)
    every, floating = counts[name]
    if not every:
        raise NotJudged(f"--run ends without a call of {name}")
    methods = [each for each in methods_in(source_of(Path(file))) if each.startswith(f"{name}.")]
    if methods:
        raise NotJudged(f"is a class: name the method to judge, {spec}{methods[0].removeprefix(name)}")
    if not floating:
        raise NotJudged(f"--run calls {name}, but never with arrays of real floating-point numbers")
    often = "once" if floating == 1 else f"{floating} times"
    raise NotJudged(f"--run calls {name} with floating arrays only {often}: too few for --nth {nth}")


def run_program(command: str) -> None:
    """Run ``SCRIPT ARG...`` in the script's folder, or ``-m MODULE ARG...`` in the current one, like Python.

    The script may be a notebook.

    Args:
        command: the arguments after ``python``.

    Raises:
        NotJudged: the program does not exist or fails.
    """
    words = shlex.split(command)
    is_module = words[:1] == ["-m"]
    words = words[is_module:]
    if not words:
        raise NotJudged("--run takes a program, 'SCRIPT.py ARG ...' or '-m MODULE ARG ...'")
    script = words[0] if is_module else str(Path(words[0]).resolve())
    if not is_module and not Path(script).is_file():
        raise NotJudged(f"there is no file {words[0]} for --run")
    sys.argv = [script, *words[1:]]
    if is_module:
        sys.path.insert(0, str(Path.cwd()))
    else:
        os.chdir(Path(script).parent)
        sys.path.insert(0, str(Path(script).parent))
    try:
        if is_module:
            runpy.run_module(script, run_name="__main__", alter_sys=True)
        elif not is_plain(Path(script)):
            module = ModuleType("__main__")
            vars(module)["__file__"] = script
            sys.modules["__main__"] = module
            run_cells(Path(script), module)
        else:
            runpy.run_path(script, run_name="__main__")
    except SystemExit:
        pass
    except BaseException as error:
        raise NotJudged(failed("--run", error, script)) from error
