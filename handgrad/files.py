"""Files that are replaced atomically, and directories that only one process at a time may use."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["locked", "make_directory", "replace_file", "replace_json", "unused_directory"]


def replace_file(path: Path, content: bytes | memoryview, writer: str = "", wait: bool = True) -> None:
    """Replace a file atomically: at any moment and after any crash, a reader finds the old or the new one.

    Args:
        path: the file.
        content: its new content.
        writer: names the partial file, where several processes or threads may write to ``path`` at once.
            Without it the name is always the same, so what killed processes left is overwritten.
        wait: wait until the content is on the disk.

    Raises:
        OSError: the file cannot be written; an old file is unchanged. The error names the path.
    """
    partial = path.with_name(f".{path.name}.{writer or 'partial'}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if wait:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if partial.is_file():
            partial.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {error.strerror}") from None


def replace_json(path: Path, content: Any) -> None:
    """Write JSON like `replace_file`, indented for human readers."""
    replace_file(path, (json.dumps(content, indent=2) + "\n").encode())


def make_directory(directory: Path) -> None:
    """Make a directory and its parents, unless it exists; raise an OSError that names it if this fails."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OSError(f"{directory} is a file, not a directory: name another one") from None
    except OSError as error:
        raise OSError(f"cannot make {directory}: {error.strerror}") from None


def unused_directory(parent: str, name: str) -> Path:
    """Return the first of ``parent/name-1``, ``parent/name-2``, ... that does not exist."""
    number = 1
    while (path := Path(parent) / f"{name}-{number}").exists():
        number += 1
    return path


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes from using a directory or file; the lock ends with the process at the latest.

    Args:
        path: an existing directory or file.
        wait: wait until no other process uses it.

    Raises:
        ValueError: another process uses it.
        OSError: it cannot be opened.
    """
    import fcntl  # not on Windows, where the rest of this file works

    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise ValueError(f"{path} is in use by another process") from None
        yield
    finally:
        os.close(descriptor)
