"""`import handgrad` is light and leaves no trace."""

import subprocess
import sys

import pytest

# In a fresh interpreter: this one has imported everything, through the tests' import hook.
PROGRAM = """
import sys
{imports}
heavy = {{"jax", "sklearn", "matplotlib", "dask", "tyro", "rich", "autograd_ref"}} & set(sys.modules)
assert not heavy, heavy
"""


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_importing_handgrad_loads_nothing_heavy():
    done = run(PROGRAM.format(imports="import handgrad, handgrad.data.datasets"))
    assert done.returncode == 0, done.stderr
    # The test can fail: the same assertion, after a heavy import.
    assert run(PROGRAM.format(imports="import handgrad, rich")).returncode != 0


@pytest.mark.slow
def test_importing_the_reference_sets_no_global_switch():
    program = """
import jax
before = dict(jax.config.values)
import autograd_ref.crosscheck.comparison, autograd_ref.crosscheck.reports.table, handgrad.cli
assert dict(jax.config.values) == before
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_importing_the_recording_changes_nothing_and_loads_no_scipy():
    program = """
import builtins, gc, random, sys, threading
import jax
import numpy as np
def settings():
    streams, config = (np.random.get_state()[1].tolist(), random.getstate()), dict(jax.config.values)
    return streams, config, builtins.__import__, threading.active_count(), gc.get_freeze_count()
before = settings()
names = {name: dict(vars(sys.modules[name])) for name in ("numpy", "math", "builtins")}
import autograd_ref.recording
autograd_ref.recording.record(np.sum, np.ones(3))
assert not [name for name in sys.modules if name.partition(".")[0] in ("scipy", "handgrad")]
import autograd_ref.recording.bounds
assert settings() == before
for name, held in names.items():
    assert all(vars(sys.modules[name]).get(key) is each for key, each in held.items()), name
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
