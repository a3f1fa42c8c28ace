"""The files of compiled programs: written atomically, verified when read, limited in total size.

A file begins with a digest of the rest, and is removed if the digest does not fit. Any other failure (a full
disk, a read-only directory) costs a compilation and is not reported.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

__all__ = ["Programs", "replace"]

LARGEST = 256 * 2**20  # bytes in all
ABANDONED = 3600.0  # seconds after which a partial file is removed
DIGEST = 16  # bytes


class Programs:
    """The files of all programs, with the two methods that JAX calls.

    Args:
        directory: the directory; it may become unreadable, read-only or full at any time.
        machine: the machine's name; machines may share the directory.
    """

    def __init__(self, directory: Path, machine: str) -> None:
        self._path, self._machine = directory, machine
        self._aside = threading.local()
        self._room: int | None = None  # the number of bytes that may still be written; None before the first

    def get(self, key: str) -> bytes | None:
        """Return a program; None if it is missing or damaged."""
        if hasattr(self._aside, "is_on"):
            return None
        file = self._file(key)
        try:
            content = file.read_bytes()
        except OSError:
            return None
        digest, program = content[:DIGEST], content[DIGEST:]
        with suppress(OSError):
            if digest == _digest(program):
                os.utime(file)  # recently used files are removed last
            else:
                file.unlink()
        return program if digest == _digest(program) else None

    def put(self, key: str, program: bytes) -> None:
        """Keep a program if that is possible."""
        if hasattr(self._aside, "is_on"):
            return
        size = DIGEST + len(program)
        if self._room is None or 0 < self._room < size:
            self._room = _make_room(self._path)
        if size <= self._room:
            done = replace(self._file(key), _digest(program) + program)
            self._room = self._room - size if done else 0  # no more attempts in this process

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A context in which this thread does not use the cache."""
        self._aside.is_on = True
        try:
            yield
        finally:
            del self._aside.is_on

    def _file(self, key: str) -> Path:
        return self._path / _digest(f"{self._machine} {key}".encode()).hex()


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST).digest()


def replace(file: Path, content: bytes) -> bool:
    """Replace a file atomically, without waiting for the disk; return whether that was possible."""
    from handgrad.files import replace_file  # a recording alone writes no file

    try:
        replace_file(file, content, writer=f"{os.getpid()}-{threading.get_ident()}", wait=False)
    except OSError:
        return False
    return True


def _make_room(directory: Path) -> int:
    """Remove the least recently used files if the total is too large; return the number of free bytes."""
    try:
        files = [(each.stat(), Path(each.path)) for each in os.scandir(directory)]
    except OSError:
        return 0
    total = sum(status.st_size for status, _ in files)
    target = LARGEST // 2 if total > LARGEST * 3 // 4 else total
    for status, file in sorted(files, key=lambda each: each[0].st_mtime):
        is_abandoned = "-" in file.name and status.st_mtime < time.time() - ABANDONED
        if total > target or is_abandoned:
            with suppress(OSError):
                file.unlink()
                total -= status.st_size
    return LARGEST - total
