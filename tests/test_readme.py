"""The README's examples work when they are copied, and print what it says."""

import html
import re
import shlex
from pathlib import Path

import pytest
from readme_picture import PICTURE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WRONG, TEST, RULE, NETWORK = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("handgrad ")
]
# What makes a command fit a test.
SHORTER = {"--open": [], "500": ["20"], "300": ["20"]}


def test_network_runs():
    exec(compile(NETWORK, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.slow
def test_test_fails_with_the_report(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(WRONG)
    monkeypatch.syspath_prepend(tmp_path)
    space = {"__name__": "readme"}
    exec(compile(TEST, "README.md", "exec"), space)
    with pytest.raises(AssertionError, match="dW1 is wrong"):
        space["test_step"]()


@pytest.mark.slow
def test_rule_fails_with_the_report(tmp_path, handgrad):
    with pytest.raises(AssertionError, match="cotangent of x is wrong"):
        exec(compile(RULE, "README.md", "exec"), {"__name__": "readme"})
    rule, call = re.fullmatch(r"(.*)\nassert_rule.*--call '(.*)'\n", RULE, re.DOTALL).groups()
    (tmp_path / "layers.py").write_text(rule)
    status, out, _ = handgrad("check", f"{tmp_path / 'layers.py'}:softplus", "--call", call)
    assert status == 1, out


@pytest.mark.slow
def test_own_check_answers_with_these_rows(handgrad):
    rows = re.search(r"^```\n(CS231n.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
    status, out, _ = handgrad("check")
    assert status == 0
    printed = [words(line) for line in out.splitlines()]
    assert all(words(line) in printed for line in rows.splitlines())


@pytest.mark.slow
def test_picture_shows_the_answer_to_the_example(tmp_path, monkeypatch, handgrad):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(WRONG)
    (check,) = (each for each in COMMANDS if "net.py:step" in each)
    status, out, _ = handgrad(*check)
    assert status == 1
    picture = PICTURE.read_text(encoding="utf-8")
    lines = re.findall(r'<text class="[^"]*-r\d+" [^>]*>(.*?)</text>', picture, re.DOTALL)
    shown = html.unescape(" ".join(lines)).replace("\xa0", " ")
    assert words(out) == words(shown[shown.index("net.py:step: ") :])


@pytest.mark.slow
@pytest.mark.parametrize("command", [each for each in COMMANDS if each[0] != "check"], ids=" ".join)
@pytest.mark.usefixtures("as_users_call")
def test_command_runs(command, tmp_path, monkeypatch, handgrad):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    status, _, err = handgrad(*(word for each in command for word in SHORTER.get(each, [each])))
    if "--preset" in command:  # on CIFAR-10, which is not there
        assert status == 2
        assert "handgrad data cifar10" in err
    else:
        assert status == 0


def words(text):
    """A report without its numbers, whose last digits and largest errors are the machine's."""
    return re.sub(r"-?\d+\.\d+(?:e[+-]\d+)?|\b\d+,\d+\b", "#", text).split()


def test_files_it_names_are_there():
    named = set(re.findall(r"`((?:handgrad|autograd_ref|tests|benchmarks)/[\w./]*)`", README))
    named |= set(re.findall(r"\]\(([\w.][\w./-]*)\)", README))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
