"""What the README shows works when it is copied."""

import re
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_there_are_python_blocks():
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=block.split("\n")[0], marks=pytest.mark.slow if "jax" in block else ())
        for block in BLOCKS
    ],
)
def test_python_block_runs(block):
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.slow
def test_the_example_gets_this_answer(tmp_path, monkeypatch, handgrad):
    code, command, answer = re.search(
        r"<!-- example -->\n```python\n(.*?)```\n\n```sh\nhandgrad (.*?)\n```\n\n"
        r"```\n(.*?)```\n<!-- /example -->",
        README,
        re.DOTALL,
    ).groups()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(code)
    status, out, _ = handgrad(*shlex.split(command))
    assert status == 1
    assert words(out) == words(answer)


def words(text):
    """A report without its numbers, whose last digits are the machine's."""
    return re.sub(r"-?\d+\.\d+(?:e[+-]\d+)?", "#", text).split()


def test_files_it_names_are_there():
    root = Path(__file__).parents[1]
    named = set(re.findall(r"`((?:handgrad|autograd_ref|tests|benchmarks)/[\w./]*)`", README))
    assert named
    assert not [name for name in named if not (root / name).exists()]
