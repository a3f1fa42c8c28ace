"""The program as people start it: by its name or by `python -m`, and stopped before it has begun."""

import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

PROGRAM = [sys.executable, "-m", "handgrad"]


def test_version_is_the_package_s():
    said = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"handgrad {version('handgrad')}\n"


def test_version_is_an_attribute():
    import handgrad

    assert handgrad.__version__ == version("handgrad")
    with pytest.raises(AttributeError, match="has no attribute 'version'"):
        _ = handgrad.version


def test_module_runs_the_command_line():
    said = subprocess.run([*PROGRAM, "check", "--dtype"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "--dtype" in said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("command", ["check", "study", "train", "sweep"])
def test_interrupt_at_the_start_prints_no_traceback(command, seconds, tmp_path):
    process = subprocess.Popen(
        [*PROGRAM, command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the signal itself: before Python has started
    assert "Traceback" not in said
