"""What XLA compiled, kept from one command to the next in the user's cache directory.

JAX keeps compiled programs in files by itself, but does not write them atomically, and never replaces one
that was cut off when a process was killed. Here a file is written beside its name and renamed, and begins
with a digest of the rest; where that does not fit, the file is removed and the program compiled again.
Whatever else fails (a full disk, a directory that cannot be written to) costs a compilation, too, and is not
reported.

A compiled program runs with all the user's rights. The directory is used only if it belongs to the user and
nobody else may write to it, and a program only on processors with the name and the features of its own.
"""

from __future__ import annotations

import os
import platform
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import jax
import numpy as np
from jax.experimental.serialize_executable import deserialize_and_load, serialize

from autograd_ref.compiler_options import QUICK

__all__ = ["Programs", "cache_directory", "is_own", "is_silent", "keep_compiled", "machine"]

LARGEST = 256 * 2**20  # bytes in all
ABANDONED = 3600.0  # seconds after which a file is removed that was never renamed
DIGEST = 16  # bytes
YES, NO = b"yes", b"no"


def keep_compiled() -> None:
    """Keep all that JAX compiles in this process from now on, and take from the cache what is there.

    Does nothing where the environment has HANDGRAD_CACHE=0, where JAX was given a cache of its own, and where
    the directory or this processor does not allow it. For commands: no import calls it.
    """
    own = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    directory = None if own or os.environ.get("HANDGRAD_CACHE") == "0" else cache_directory()
    if directory is None or not is_own(directory):
        return
    name = machine()
    if _loads(directory / f"{name}.loads", _reload) and _install(Programs(directory, name)):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def cache_directory() -> Path | None:
    """Return where compiled programs are kept; None where the user has no cache directory."""
    from platformdirs import user_cache_path

    try:
        found = user_cache_path("handgrad", appauthor=False) / "compiled"
    except (OSError, RuntimeError):  # nobody's home
        return None
    return found if found.is_absolute() else None


def is_own(directory: Path) -> bool:
    """Make a directory unless it exists; return whether nobody but this user may write to it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):  # Windows guards what is in a user's profile
        return True
    others = stat.S_IWGRP | stat.S_IWOTH
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others


def machine() -> str:
    """Return a name for the processor, its features, and what else the loader's answer depends on."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            first, _, _ = file.read(2**14).partition(b"\n\n")
        varying = b"cpu MHz", b"bogomips"
        processor = b"\n".join(line for line in first.splitlines() if not line.startswith(varying))
    except OSError:
        processor = platform.node().encode()
    settings = [os.environ.get(name, "") for name in ("XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL")]
    rest = repr([platform.machine(), jax.__version__, jax.default_backend(), *settings]).encode()
    return blake2b(processor + rest, digest_size=DIGEST).hexdigest()


def is_silent(action: Callable[[], object]) -> bool:
    """Return whether an action succeeds and nothing, C++ included, writes to standard error meanwhile.

    Raises:
        OSError: there is no standard error, or no room for what is written there.
    """
    with tempfile.TemporaryFile() as written:
        error = os.dup(2)
        try:
            os.dup2(written.fileno(), 2)
            action()
        except Exception:
            return False
        finally:
            os.dup2(error, 2)
            os.close(error)
        return os.fstat(written.fileno()).st_size == 0


class Programs:
    """The files of all programs, with the two methods that JAX calls.

    Args:
        directory: which may become unreadable, unwritable or full at any time.
        machine: whose programs these are; others may share the directory.
    """

    def __init__(self, directory: Path, machine: str) -> None:
        self._path, self._machine = directory, machine
        self._room: int | None = None  # how many bytes may still be written; None before the first

    def get(self, key: str) -> bytes | None:
        """Return a program; None for one that is not there or is damaged."""
        file = self._file(key)
        try:
            content = file.read_bytes()
        except OSError:
            return None
        digest, program = content[:DIGEST], content[DIGEST:]
        with suppress(OSError):
            if digest == _digest(program):
                os.utime(file)  # what was used last is removed last
            else:
                file.unlink()
        return program if digest == _digest(program) else None

    def put(self, key: str, program: bytes) -> None:
        """Keep a program if that is possible."""
        size = DIGEST + len(program)
        if self._room is None or 0 < self._room < size:
            self._room = _make_room(self._path)
        if size <= self._room:
            done = _replace(self._file(key), _digest(program) + program)
            self._room = self._room - size if done else 0  # no more attempts in this process

    def _file(self, key: str) -> Path:
        return self._path / _digest(f"{self._machine} {key}".encode()).hex()


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST).digest()


def _replace(file: Path, content: bytes) -> bool:
    """Write a file whole or not at all, without waiting for the disk; return whether that was possible."""
    partial = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        return False
    return True


def _make_room(directory: Path) -> int:
    """Remove what was not used for longest, down to a half, if all is too large; return the bytes left."""
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


def _loads(answer: Path, reload: Callable[[], object]) -> bool:
    """Return whether this machine takes back what it compiled, as found out once and written down.

    On some processors the loader misses features that the compiler counts on, prints that to standard error
    and warns of illegal instructions (https://github.com/openxla/xla/issues/44565).
    """
    with suppress(OSError):
        known = answer.read_bytes()
        if known in (YES, NO):
            return known == YES
    try:
        found = is_silent(reload)
    except OSError:
        return False
    _replace(answer, YES if found else NO)
    return found


def _reload() -> None:
    """Compile a small program, and run what is left when it was written down and read again."""
    given = np.eye(3, dtype=np.float32)
    compiled = jax.jit(lambda x: x @ x, compiler_options=QUICK).lower(given).compile()
    deserialize_and_load(*serialize(compiled))(given).block_until_ready()


def _install(programs: Programs) -> bool:
    """Put a store in the place of JAX's own; return whether this version of JAX has that place, and free."""
    try:
        from jax._src import compilation_cache
    except ImportError:
        return False
    if getattr(compilation_cache, "_cache", programs) is not None:
        return False
    compilation_cache._cache = programs  # type: ignore[assignment]
    return True
