"""Write a proposed repair into its file."""

import hashlib
import shutil
from pathlib import Path

from autograd_ref.crosscheck.program.repair.source import Change, Source
from autograd_ref.crosscheck.reports.repair import Repair
from handgrad.files import replace_file

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
    source = Source(str(path))
    if hashlib.sha256(source.raw).hexdigest() != repair.digest:
        raise ValueError(f"{repair.file} changed since it was read: nothing was written")
    start = source.start_of(repair.line)
    end = source.start_of(repair.end_line + 1) if repair.before else start
    new = source.to_bytes(source.changed([Change(start, end, repair.after)]))
    old = _unused(path)
    shutil.copy2(path, old)
    replace_file(path, new)
    shutil.copymode(old, path)
    return old


def _unused(path: Path) -> Path:
    """Return the first of ``net.py.orig``, ``net.py.orig.2``, ... that does not exist."""
    number = 1
    while (old := path.with_name(f"{path.name}.orig" + (f".{number}" if number > 1 else ""))).exists():
        number += 1
    return old
