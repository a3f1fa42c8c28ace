"""The cache of compiled programs: a check notices no damage to its files, and repairs it."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from autograd_ref.compiling import cache, kernel, options, programs
from autograd_ref.compiling.cache import cache_directory, is_own, is_silent, machine
from autograd_ref.compiling.kernel import description
from autograd_ref.compiling.programs import Programs

KEY, PROGRAM = "jit_f-0123", bytes(range(256)) * 40


@pytest.fixture
def kept(tmp_path):
    Programs(tmp_path, "here").put(KEY, PROGRAM)
    return Programs(tmp_path, "here")


def only(folder):
    (file,) = Path(folder).iterdir()
    return file


def test_programs_are_reused_only_on_the_same_machine(kept, tmp_path):
    assert kept.get(KEY) == PROGRAM
    assert kept.get("jit_g-0123") is None
    assert Programs(tmp_path, "elsewhere").get(KEY) is None


@pytest.mark.parametrize("damage", [lambda x: b"", lambda x: x[:-1], lambda x: x[:9] + b"!" + x[10:]])
def test_damaged_program_is_removed_and_replaced(kept, tmp_path, damage):
    file = only(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    assert kept.get(KEY) is None
    assert not list(tmp_path.iterdir())
    kept.put(KEY, PROGRAM)
    assert kept.get(KEY) == PROGRAM


def test_damaged_program_is_replaced_where_it_cannot_be_removed(kept, tmp_path, monkeypatch):
    only(tmp_path).write_bytes(b"cut off")
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: failing(errno.EPERM))
    assert kept.get(KEY) is None
    kept.put(KEY, PROGRAM)
    assert kept.get(KEY) == PROGRAM


def failing(number):
    raise OSError(number, os.strerror(number))


def test_full_disk_leaves_no_partial_file_and_is_tried_once(tmp_path, monkeypatch):
    asked = []

    def full(part, path):
        asked.append(path)
        failing(errno.ENOSPC)

    monkeypatch.setattr(Path, "replace", full)
    kept = Programs(tmp_path, "here")
    kept.put(KEY, PROGRAM)
    kept.put("other", PROGRAM)
    assert len(asked) == 1
    assert not list(tmp_path.iterdir())


def test_directory_that_is_missing_or_a_file_raises_nothing(tmp_path):
    for place in (tmp_path / "gone", tmp_path / "file"):
        kept = Programs(place, "here")
        kept.put(KEY, PROGRAM)
        assert kept.get(KEY) is None
        (tmp_path / "file").touch()


def test_cache_size_is_bounded_and_recent_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "LARGEST", 20_000)
    for number in range(100):
        Programs(tmp_path, "here").put(f"{number}", bytes(1000))
        os.utime(max(tmp_path.iterdir(), key=os.path.getctime), (number, number))
        Programs(tmp_path, "here").get("0")
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 20_000
    kept = Programs(tmp_path, "here")
    assert [kept.get(f"{number}") is not None for number in (0, 20, 99)] == [True, False, True]
    kept.put("huge", bytes(20_001))
    assert kept.get("huge") is None


def test_abandoned_parts_are_removed(tmp_path):
    old, new = tmp_path / "a.1-2", tmp_path / "b.1-2"
    for part in (old, new):
        part.write_bytes(b"part")
    os.utime(old, (1, 1))
    Programs(tmp_path, "here").put(KEY, PROGRAM)
    assert not old.exists()
    assert new.exists()


def test_directory_is_private_and_others_are_refused(tmp_path, monkeypatch):
    made = tmp_path / "cache" / "compiled"
    assert is_own(made)
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o770)
    assert not is_own(made)
    (tmp_path / "link").symlink_to(tmp_path)
    assert not is_own(tmp_path / "link")
    assert not is_own(Path(__file__) / "compiled")
    made.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: made.stat().st_uid + 1)
    assert not is_own(made)


def test_cache_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_directory() == tmp_path / "handgrad" / "compiled"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert cache_directory() != Path("relative/handgrad/compiled")


def test_option_unknown_to_xla_is_left_out(monkeypatch):
    monkeypatch.setitem(options.QUICK, "xla_cpu_knows_all_gradients", True)
    options.quick_options.cache_clear()
    try:
        assert "xla_backend_optimization_level" in options.quick_options()
        assert "xla_cpu_knows_all_gradients" not in options.quick_options()
    finally:
        options.quick_options.cache_clear()


def test_output_on_standard_error_is_noticed():
    assert is_silent(lambda: None)
    assert not is_silent(lambda: os.write(2, b"Target machine feature +prefer-no-gather is not supported\n"))
    assert not is_silent(lambda: failing(errno.EINVAL))


def test_complaining_loader_is_tried_once(tmp_path):
    asked = []
    answer = tmp_path / f"{machine()}.loads"
    for complaint in (lambda: asked.append(os.write(2, b"SIGILL")), lambda: asked.append(0)):
        assert not cache._loads(answer, complaint)
    assert asked == [6]
    answer.write_bytes(b"n")  # cut off: asked again
    assert cache._loads(answer, lambda: asked.append(0))
    assert cache._loads(answer, lambda: asked.append(0))
    assert asked == [6, 0]


def test_jax_version_without_the_hook_is_left_alone(tmp_path, monkeypatch):
    from jax._src import compilation_cache

    mine = Programs(tmp_path, "here")
    monkeypatch.setattr(compilation_cache, "_cache", None)
    assert cache._install(mine)
    assert compilation_cache._cache is mine
    assert not cache._install(mine)  # taken
    monkeypatch.delattr(compilation_cache, "_cache")
    assert not cache._install(mine)


# Prints how many programs were taken from the cache and how many were put there. It may be killed when the
# first is in a file but has no name yet, and no file may be larger than a limit.
CHILD = """
import jax, os, pathlib, resource, signal, sys
from autograd_ref.compiling.cache import keep_compiled
killed, limit = sys.argv[1] == "killed", int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
keep_compiled()
if killed:
    pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
heard = []
jax.monitoring.register_event_listener(lambda name, **_: heard.append(name.rpartition("/")[2]))
assert float(jax.jit(lambda x: x * x + 1)(3.0)) == 10.0
print(heard.count("cache_hits"), heard.count("cache_misses"))
"""
UNLIMITED = -1


def start(home, ends="by itself", limit=UNLIMITED, **settings):
    environment = {**os.environ, "HANDGRAD_CACHE": "1", "XDG_CACHE_HOME": str(home), **settings}
    command = [sys.executable, "-c", CHILD, ends, str(limit)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def counts(process):
    """Hits and misses of a process that ended well and said nothing else."""
    out, err = process.communicate(timeout=300)
    assert not err
    assert process.returncode == 0
    return tuple(map(int, out.split()))


@pytest.mark.slow
def test_next_process_compiles_after_any_damage(tmp_path):
    folder = tmp_path / "handgrad" / "compiled"
    killed = start(tmp_path, "killed")
    assert killed.wait(timeout=300) == -signal.SIGKILL
    killed.communicate()
    loads = (folder / f"{machine()}.loads").read_bytes() == b"yes"
    assert len(list(folder.iterdir())) == 1 + loads  # the answer, and what the killed process left
    assert all(sum(counts(each)) == loads for each in [start(tmp_path) for _ in range(2)])
    assert counts(start(tmp_path)) == (loads, 0)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    assert counts(start(tmp_path)) == (0, loads)
    assert counts(start(tmp_path)) == (loads, 0)


@pytest.mark.slow
def test_cache_that_cannot_be_used_is_not_noticed(tmp_path):
    (tmp_path / "file").touch()
    for hits, _ in map(counts, [start(tmp_path / "file"), start(tmp_path / "full", limit=100)]):
        assert hits == 0
    assert not [each for each in tmp_path.glob("full/*/*/*") if each.suffix != ".loads"]
    assert counts(start(tmp_path / "off", HANDGRAD_CACHE="0")) == (0, 0)
    assert not (tmp_path / "off").exists()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        (0.0, -0.0),
        (np.float32(0.1), np.float64(0.1)),
        (np.float32, np.float64),
    ],
)
def test_different_parts_have_different_descriptions(a, b):
    assert description("f", (a,)) != description("f", (b,))
    assert description("f", (a, b)) != description("f", ((a, b),))


@pytest.mark.parametrize(
    "part", [object(), np.zeros(3), len, [1], np.dtype([("a", "f8")]), type("int", (int,), {})(1)]
)
def test_ambiguous_parts_have_no_description(part):
    assert description("f", (part,)) is None


@pytest.fixture(params=[np.float32, np.float64], ids=["compiled", "steps"])
def kernels(tmp_path, monkeypatch, request):
    """Kernels that are kept in a directory, how they are called, and how often their functions are traced."""
    monkeypatch.setattr(kernel, "_kept", [])
    kernel.keep_in(Programs(tmp_path, "here"), "this code")
    traced = []

    def made(*parts, factor=2.0):
        def function(x, more):
            traced.append(factor)
            return [factor * x + more]

        return kernel.Kernel(function, *parts)

    def called(one):
        with jax.enable_x64(True):
            (result,) = one(np.ones(3, request.param), np.ones(3, request.param))
        return np.asarray(result).tolist()

    return made, called, traced


def test_kept_kernel_is_not_traced_again(kernels, tmp_path):
    made, called, traced = kernels
    assert called(made("f", 2)) == called(made("f", 2)) == [3.0] * 3
    assert called(made("f", 3, factor=3.0)) == [4.0] * 3
    assert traced == [2.0, 3.0]
    kernel.keep_in(Programs(tmp_path, "here"), "other code")
    assert called(made("f", 2, factor=5.0)) == [6.0] * 3
    assert called(made(object(), factor=7.0)) == called(made(object(), factor=7.0)) == [8.0] * 3
    assert traced == [2.0, 3.0, 5.0, 7.0, 7.0]


def test_kernel_that_cannot_be_loaded_is_made_again(kernels, tmp_path):
    made, called, traced = kernels
    called(made("f"))
    file = only(tmp_path)
    file.unlink()
    other = Programs(tmp_path, "here")
    other._file = lambda _: file
    other.put("", b"no pickle")  # with the digest of these bytes
    assert called(made("f")) == [3.0] * 3
    assert traced == [2.0, 2.0]
    assert called(made("f")) == [3.0] * 3
    assert traced == [2.0, 2.0]


PROGRAM_FILE = """
import numpy as np
def squares(w, x, y):
    difference = np.maximum(x @ w, 0) - y
    return np.sum(difference**2), x.T @ (2 * difference * (x @ w > 0))
def example_squares(rng):
    return rng.standard_normal(3), rng.standard_normal((4, 3)), rng.standard_normal(4)
"""


@pytest.mark.slow
def test_check_with_cached_kernels_prints_the_same(tmp_path):
    (tmp_path / "net.py").write_text(PROGRAM_FILE)
    said = []
    for switch in ("0", "1", "1"):
        environment = {**os.environ, "HANDGRAD_CACHE": switch, "XDG_CACHE_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "handgrad", "check", "net.py:squares", "--json"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert not done.stderr
        said.append(json.loads(done.stdout))
    assert said[0] == said[1] == said[2]
    assert said[0]["ok"] is True


# Compiles a program that calls LAPACK, or takes it from the cache, in which case nothing else loads LAPACK.
FACTOR = """
import jax, numpy as np
from autograd_ref.compiling.cache import keep_compiled
from autograd_ref.compiling.kernel import Kernel
keep_compiled()
factor = Kernel(lambda x: [jax.numpy.linalg.cholesky(x)], "cholesky")
print(np.asarray(factor(4 * np.eye(2, dtype=np.float32))[0]).tolist())
"""


@pytest.mark.slow
def test_program_from_the_cache_finds_lapack(tmp_path):
    environment = {**os.environ, "HANDGRAD_CACHE": "1", "XDG_CACHE_HOME": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", FACTOR], capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stdout) == (0, "[[2.0, 0.0], [0.0, 2.0]]\n"), done.stderr
    assert len([each for each in tmp_path.rglob("*") if each.is_file() and each.suffix != ".loads"]) == 1
