"""Strict modes for every test: shapes and types checked at run time, no silent promotion in JAX."""

import os
import signal
import sys

# Before NumPy is loaded: the threads of two test processes would take each other's cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Tests do not depend on what this machine has compiled before.
os.environ["HANDGRAD_CACHE"] = "0"

import pytest
import strict_types

# Before the first import of either package: modules are rewritten as they are loaded.
strict_types.install("handgrad", "autograd_ref")

import hypothesis  # noqa: E402
import jax  # noqa: E402

# A background job of a script ignores Ctrl-C, and so would the tests and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every machine; `--hypothesis-profile default` looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def handgrad(monkeypatch, capsys):
    """The command line: takes its arguments; gives the exit code and what was printed."""
    from handgrad.cli.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["handgrad", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capsys.readouterr()
        return exit_.value.code, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def digits():
    """The digits in the parts that runs are trained on."""
    from handgrad.data.datasets import load_dataset

    return load_dataset("digits")


@pytest.fixture
def as_users_call():
    """Switch off the run-time type checks, which would hide the project's own messages."""
    with strict_types.unchecked():
        yield
