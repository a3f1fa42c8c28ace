"""Write a proposed repair into its file."""

import hashlib
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

from autograd_ref.crosscheck.program.repair.source import Change, Source
from autograd_ref.crosscheck.reports.repair import Repair
from handgrad.files import locked, replace_file

__all__ = ["write_repair"]


def write_repair(repair: Repair) -> Path:
    """Replace the lines that a repair changes, and keep the old file beside the new one.

    Args:
        repair: a repair of a file.

    Returns:
        The path of the old file.

    Raises:
        ValueError: the file does not exist, or changed since it was read.
        OSError: the file cannot be written; then nothing is changed.
    """
    path = Path(repair.file).resolve()
    if not repair.digest or not path.is_file():
        raise ValueError(f"{repair.file} is not a file: nothing was written")
    # Of two processes, the second finds that the file changed.
    with locked(path, wait=True) if os.name == "posix" else nullcontext():
        source = Source(str(path))
        if hashlib.sha256(source.raw).hexdigest() != repair.digest:
            raise ValueError(f"{repair.file} changed since it was read: nothing was written")
        start = source.start_of(repair.line)
        end = source.start_of(repair.end_line + 1) if repair.before else start
        new = source.to_bytes(source.changed([Change(start, end, repair.after)]))
        old = _created(path)
        try:
            shutil.copy2(path, old)
            replace_file(path, new)
        except OSError:
            old.unlink()
            raise
        shutil.copymode(old, path)
    return old


def _created(path: Path) -> Path:
    """Create the first of ``net.py.orig``, ``net.py.orig.2``, ... that does not exist; return its path."""
    number = 1
    while True:
        old = path.with_name(f"{path.name}.orig" + (f".{number}" if number > 1 else ""))
        try:
            old.open("xb").close()
            return old
        except FileExistsError:
            number += 1
