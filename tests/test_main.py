"""Starting the program by its name or by `python -m`, and interrupting it at once."""

import signal
import subprocess
import sys
from importlib.metadata import version

import pytest

PROGRAM = [sys.executable, "-m", "handgrad"]


def test_version_is_printed():
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


# Modules whose import ends early, midway and late in the start of a command.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("tyro", "check"),
        ("handgrad.validation", "check"),
        *(("handgrad.cli.main", command) for command in ("check", "study", "train", "sweep")),
    ],
)
def test_interrupt_at_the_start_prints_no_traceback(command, module, tmp_path):
    program = [sys.executable, "-X", "importtime", "-m", "handgrad", command]
    with subprocess.Popen(
        program, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert any(line.split("|")[-1].strip() == module for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
