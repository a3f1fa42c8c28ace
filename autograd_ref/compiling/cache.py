"""The cache of compiled programs in the user's cache directory.

JAX has its own cache of files, but does not write them atomically, and never replaces a file that was
truncated when a process was killed. So JAX gets `programs.Programs` in place of its own cache, and `kernel`
uses it, too.

A compiled program runs with all the user's rights. The directory is used only if it belongs to the user and
is writable for no other user, and a program only on a processor with the same name and features.
"""

from __future__ import annotations

import os
import platform
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import jax
import numpy as np
from jax.experimental.serialize_executable import deserialize_and_load, serialize
from jaxlib.version import __version__ as jaxlib_version

from autograd_ref.compiling import kernel
from autograd_ref.compiling.options import quick_options
from autograd_ref.compiling.programs import Programs, replace

__all__ = ["cache_directory", "is_own", "is_silent", "keep_compiled", "machine"]

YES, NO = b"yes", b"no"


def keep_compiled() -> None:
    """Use the cache for everything that JAX compiles in this process from now on.

    Only commands call this; importing does not. It does nothing with HANDGRAD_CACHE=0 in the environment, if
    JAX already has a cache or does not compute on the CPU, or if the directory or processor is unsuitable.
    """
    own = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    directory = None if own or os.environ.get("HANDGRAD_CACHE") == "0" else cache_directory()
    if directory is None or jax.default_backend() != "cpu" or not is_own(directory):
        return
    name = machine()
    programs = Programs(directory, name)
    if not _loads(directory / f"{name}.loads", _reload):
        return
    kernel.keep_in(programs, _source())
    if _install(programs):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def cache_directory() -> Path | None:
    """Return the directory of the cache; None if the user has no cache directory."""
    from platformdirs import user_cache_path

    try:
        found = user_cache_path("handgrad", appauthor=False) / "compiled"
    except (OSError, RuntimeError):  # no home directory
        return None
    return found if found.is_absolute() else None


def is_own(directory: Path) -> bool:
    """Make a directory unless it exists; return whether only this user can write to it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):  # Windows protects the user's profile
        return True
    others = stat.S_IWGRP | stat.S_IWOTH
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others


def machine() -> str:
    """Return a name for the processor, its features, and everything else that compiled code depends on."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            first, _, _ = file.read(2**14).partition(b"\n\n")
        varying = b"cpu MHz", b"bogomips"
        processor = b"\n".join(line for line in first.splitlines() if not line.startswith(varying))
    except OSError:
        processor = platform.node().encode()
    settings = [os.environ.get(name, "") for name in ("XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL")]
    rest = repr([platform.machine(), jax.__version__, jaxlib_version, *settings]).encode()
    return blake2b(processor + rest, digest_size=16).hexdigest()


def _source() -> str:
    """Return a digest of the code that makes kernels, and of the settings that it depends on."""
    root = Path(__file__).parents[1]
    files = [
        (str(each), each.stat())
        for room in ("recording", "arithmetic", "compiling")
        for each in (root / room).rglob("*.py")
    ]
    stamps = sorted((name, status.st_size, status.st_mtime_ns) for name, status in files)
    settings = sorted(item for item in os.environ.items() if item[0].startswith("JAX_"))
    text = repr((stamps, np.__version__, settings))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def is_silent(action: Callable[[], object]) -> bool:
    """Return whether an action succeeds without output to standard error, including output from C++.

    Raises:
        OSError: standard error is closed, or the disk is full.
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


def _loads(answer: Path, reload: Callable[[], object]) -> bool:
    """Return whether this machine can load what it compiled; tested once, and the answer kept in a file.

    On some processors the loader does not find features that the compiler used; it prints that to standard
    error and warns of illegal instructions (https://github.com/openxla/xla/issues/44565).
    """
    with suppress(OSError):
        known = answer.read_bytes()
        if known in (YES, NO):
            return known == YES
    try:
        found = is_silent(reload)
    except OSError:
        return False
    replace(answer, YES if found else NO)
    return found


def _reload() -> None:
    """Compile a small program, write and read it, and run the result."""
    given = np.eye(3, dtype=np.float32)
    compiled = jax.jit(lambda x: x @ x, compiler_options=quick_options()).lower(given).compile()
    deserialize_and_load(*serialize(compiled))(given).block_until_ready()


def _install(programs: Programs) -> bool:
    """Replace JAX's cache; return whether this version of JAX allows it and has none in use."""
    try:
        from jax._src import compilation_cache
    except ImportError:
        return False
    if getattr(compilation_cache, "_cache", programs) is not None:
        return False
    compilation_cache._cache = programs  # type: ignore[assignment]
    return True
