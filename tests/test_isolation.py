"""`handgrad check TARGET...`, whatever the target does: one line each, in order, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from autograd_ref.crosscheck.isolated.process import cores, environment

pytestmark = pytest.mark.slow

# The network of the course with its penalty 2·reg·‖W‖², right; {before} runs at import, {inside} in the loss.
FUNCTION = """\
import os, sys
import numpy as np
{before}
def loss(params, X, y, reg):
    {inside}
    W1, b1, W2, b2 = (params[name] for name in ("W1", "b1", "W2", "b2"))
    h1 = np.maximum(X @ W1 + b1, 0)
    scores = h1 @ W2 + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(X))
    value = -log_probs[rows, y].mean() + {penalty} * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    dscores = np.exp(log_probs)
    dscores[rows, y] -= 1
    dscores /= len(X)
    dz1 = dscores @ W2.T * (h1 > 0)
    grads = {{"W1": X.T @ dz1 + 4 * reg * W1, "b1": dz1.sum(axis=0)}}
    return value, {{**grads, "W2": h1.T @ dscores + 4 * reg * W2, "b2": dscores.sum(axis=0)}}
"""

RUDE = """
import argparse, atexit, threading, time, warnings
argparse.ArgumentParser().parse_args()
np.seterr(all="raise")
warnings.simplefilter("error")
for _ in range(1000):
    os.write(1, bytes(2**20)), os.write(2, bytes(2**20))
print('{"report": 1}')
os.closerange(3, 200)
threading.Thread(target=time.sleep, args=(1000,)).start()
atexit.register(time.sleep, 1000)
"""
JUDGED = {
    "wrong, forks at import": {"before": "os.fork()", "penalty": 1},
    "rude": {"before": RUDE},
}
ENDED = {
    "loops at import": {"before": "while True: pass"},
    "loops in its loss": {"inside": "while True: pass"},
    "stops itself": {"before": "os.kill(os.getpid(), 19)"},
    "leaves a loop behind": {"before": "if os.fork() == 0:\n    while True: pass\nwhile True: pass"},
}
# More that an import may do, with no process of its own: `test_targets`.
REFUSED = {
    "sys.exit in its loss": ({"inside": "sys.exit('no')"}, "line 5: calls sys.exit('no')"),
    "os._exit": ({"before": "os._exit(0)"}, "ended its process, with exit code 0, before it was judged"),
    "leaves it to a fork": (
        {"before": "if fork := os.fork(): os.waitpid(fork, 0), os._exit(7)"},
        "ended its process, with exit code 7, before it was judged",
    ),
    "reads": ({"before": "n = int(input())"}, "line 3: calls input(), which has no terminal here"),
    "recurses in C": (
        {"before": "sys.setrecursionlimit(10**9)\ndef f(_): return max([1], key=f)\nf(0)"},
        "crashed: Segmentation fault",
    ),
    "segfaults": ({"before": "import ctypes; ctypes.string_at(0)"}, "crashed: Segmentation fault"),
    "takes all memory": (
        {"before": "hog = [np.empty(2**26) for _ in range(1000)]"},
        "line 3: runs out of memory",
    ),
    "killed": ({"before": "os.kill(0, 9)"}, "crashed: Killed, perhaps because memory ran out"),
    "colours the screen": (
        {"before": "raise ValueError('a\\nb\\x1b[31m\\x07')"},
        "line 3: ValueError: a b [31m",
    ),
    "fails in its loss": ({"inside": "raise OSError('a\\nb')"}, "OSError: a b"),
    "not a gradient": ({"inside": "return 1.0, {{}}"}, "grads must have the keys W1, b1, W2, b2"),
}


def write(folder, name, before="", inside="pass", penalty=2):
    file = folder / f"{name}.py"
    file.write_text(FUNCTION.format(before=before.strip(), inside=inside.format(), penalty=penalty))
    return f"{file}:loss"


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Put the private folders into the test's own folder, by which its processes are recognised."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    argument = f"{tmp_path}/handgrad-".encode()

    def alive():
        found = []
        for command_line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if argument in command_line.read_bytes():
                    found.append(command_line.parent.name)
        return found

    return alive


def check(handgrad, tmp_path, cases, *options):
    targets = [write(tmp_path, name, **parts) for name, parts in cases.items()]
    code, out, err = handgrad("check", *targets, "--json", *options)
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["target"] for line in lines] == targets
    return code, dict(zip(cases, lines, strict=True))


def test_target_is_judged_once_and_leaves_nothing_behind(handgrad, tmp_path, watched):
    code, found = check(handgrad, tmp_path, JUDGED, "--no-repair")
    assert code == 1
    assert {name: line["ok"] for name, line in found.items()} == {
        name: name != "wrong, forks at import" for name in JUDGED
    }
    assert found["wrong, forks at import"]["first_wrong"] == "dW2"
    assert watched() == []
    assert list(tmp_path.glob("handgrad-*")) == []


def test_endless_target_is_killed_with_its_processes(handgrad, tmp_path, watched):
    code, found = check(handgrad, tmp_path, ENDED, "--time-limit", "3")
    assert code == 2
    for line in found.values():
        assert (line["ok"], set(line)) == (None, {"target", "ok", "error"})
        assert line["error"].startswith("did not finish within 3 s")
    assert watched() == []


def test_what_cannot_be_judged_says_why_in_one_line(handgrad, tmp_path, watched):
    code, found = check(handgrad, tmp_path, {name: parts for name, (parts, _) in REFUSED.items()})
    assert code == 2
    for name, (_, message) in REFUSED.items():
        assert set(found[name]) == {"target", "ok", "error"}
        assert found[name]["ok"] is None
        assert message in found[name]["error"], name
        assert found[name]["error"].isprintable()
    assert watched() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_all_processes_of_the_check(tmp_path, watched, number):
    target = write(tmp_path, "sleeps", before="import time\ntime.sleep(1000)")
    program = [sys.executable, "-m", "handgrad", "check", target, target]
    with subprocess.Popen(
        program,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as parent:
        while len(watched()) < min(2, cores()):  # as many as run side by side
            assert parent.poll() is None
            time.sleep(0.05)
        parent.send_signal(number)
        out = parent.stdout.read()
    assert (parent.returncode, out) == (128 + signal.SIGINT, "")
    assert watched() == []
    assert list(tmp_path.glob("handgrad-*")) == []


@pytest.mark.parametrize(
    ("told", "used"),
    [(None, "cpu"), ("", "cpu"), ("cuda", "cuda,cpu"), ("cpu", "cpu"), ("tpu,cpu", "tpu,cpu")],
)
def test_cpu_is_added_to_the_requested_platforms(monkeypatch, told, used):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if told is not None:
        monkeypatch.setenv("JAX_PLATFORMS", told)
    assert environment(1)["JAX_PLATFORMS"] == used
