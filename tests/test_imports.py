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
import autograd_ref.crosscheck.comparison, autograd_ref.crosscheck.table, handgrad.cli
assert dict(jax.config.values) == before
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
