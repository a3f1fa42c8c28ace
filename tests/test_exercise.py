"""The exercises: their files, the judgement of each step, and the messages."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from exercise_mistakes import MISTAKES

from autograd_ref.exercise import command
from autograd_ref.exercise.instrument import instrument
from autograd_ref.exercise.judge import judge_steps
from autograd_ref.exercise.progress import Progress, StepState
from autograd_ref.exercise.topic import LANGUAGES, topic_called, topics
from autograd_ref.exercise.words import FOLDER
from autograd_ref.exercise.writing import exercise_in, text_of

ROOT = Path(__file__).parents[1]
TOPICS = [topic.name for topic in topics()]


def answers_of(topic):
    """The right-hand side of each statement of the answers, unless the forward pass contains it, too."""
    lines = [line.strip() for step in topic.steps for line in step.lines]
    values = [each.value for each in ast.parse("\n".join(lines)).body]
    found = [squeezed(ast.unparse(each)) for each in values if not isinstance(each, (ast.Name, ast.Constant))]
    given = squeezed(topic.unfilled({step.name: [] for step in topic.steps}))
    return [each for each in found if each not in given]


def squeezed(text):
    return re.sub(r"[\s\"']", "", text)


def filled(topic, steps, language="en"):
    """An exercise with the answers of its first steps."""
    text = text_of(topic, "net.py", language)
    for step in topic.steps[:steps]:
        text = text.replace(step.blank, step.solution, 1)
    return text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TOPICS)
def test_exercise_does_not_contain_the_answers(name, language):
    topic = topic_called(name)
    text = text_of(topic, "net.py", language)
    assert not [answer for answer in answers_of(topic) if answer in squeezed(text)]
    assert len(instrument(text, "net.py", topic).blanks) == len(topic.steps)
    assert all(step.blank.strip().startswith(step.variable) for step in topic.steps)
    assert max(map(len, text.splitlines())) <= 110
    # The test can fail: an answer is found where there is one.
    assert [answer for answer in answers_of(topic) if answer in squeezed(filled(topic, len(topic.steps)))]


def test_answers_make_the_exercise_the_right_program():
    for topic in topics():
        whole = ast.parse(filled(topic, len(topic.steps)))
        assert ast.dump(whole) == ast.dump(ast.parse(topic.code))


def test_languages_have_the_same_texts():
    english, chinese = (tomllib.loads((FOLDER / f"{each}.toml").read_text()) for each in LANGUAGES)
    for section, texts in english.items():
        assert texts.keys() == chinese[section].keys()
        for key, text in texts.items():
            names = re.findall(r"\{\w+\}", str(text))
            assert sorted(names) == sorted(re.findall(r"\{\w+\}", str(chinese[section][key]))), key
    for topic in topics():
        for step in topic.steps:
            assert len(step.hints["en"]) == len(step.hints["zh"]) > 0


def test_command_writes_a_file_once(handgrad, tmp_path):
    file = tmp_path / "net.py"
    code, out, _ = handgrad("exercise", file, "--language", "zh", "--topic", "attention")
    assert code == 0
    assert "10" in out
    written = exercise_in(str(file))
    assert (written.topic.name, written.words.language) == ("attention", "zh")
    before = file.read_bytes()
    code, _, err = handgrad("exercise", file)
    assert code == 2
    assert "already exists" in err
    assert file.read_bytes() == before


def test_file_of_any_editor_is_an_exercise(tmp_path):
    file = tmp_path / "my net.py"
    text = filled(topic_called("dropout"), 1).replace("\n", "\r\n")
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert exercise_in(str(file)).topic.name == "dropout"
    assert "handgrad check 'my net.py' --watch" in text_of(topic_called("dropout"), file.name, "en")
    assert "'right', 'open'" in str([each.state for each in judge_steps(file, topic_called("dropout")).steps])


def test_command_refuses_bad_arguments(handgrad, tmp_path):
    file = tmp_path / "plain.py"
    file.write_text("x = 1\n")
    assert "there is no topic nothing" in handgrad("exercise", tmp_path / "a.py", "--topic", "nothing")[2]
    assert "a Python file" in handgrad("exercise", tmp_path / "a.txt")[2]
    assert "name the file" in handgrad("exercise")[2]
    assert "handgrad exercise" in handgrad("check", file, "--hint")[2]
    assert handgrad("exercise", tmp_path / "b.py")[0] == 0
    assert "give one" in handgrad("check", tmp_path / "b.py", "--hint", "--solve")[2]
    assert "goes with a function" in handgrad("check", tmp_path / "b.py", "--call", "f()")[2]


def test_list_has_every_topic(handgrad):
    for language in LANGUAGES:
        code, out, _ = handgrad("exercise", "--list", "--language", language)
        assert code == 0
        assert [name for name in TOPICS if name not in out] == []


def test_statements_that_wait_are_left_out():
    topic = topic_called("recurrent")
    source = filled(topic, 2).replace("dWx += ...", "dWx += x[t].T @ dz")
    found = instrument(source, "net.py", topic)
    assert found.todo == {3, 4, 6, 7}
    assert found.waiting == set()
    assert 5 in found.cut  # of a loop that cannot go on, the sum over its passes is not known
    text = ast.unparse(found.tree)
    assert "break" in text
    assert "..." not in text


@pytest.fixture(scope="module")
def judging():
    """A process that judges every topic's answer and mistakes, while the tests that come first wait."""
    command, env = [sys.executable, "judged_exercises.py"], {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT / "tests", env={**os.environ, **env}, stdout=pipe, stderr=pipe, text=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def everything(judging):
    out, err = judging.communicate()
    assert judging.returncode == 0, err
    return json.loads(out)


@pytest.mark.slow
@pytest.mark.usefixtures("judging")
@pytest.mark.parametrize(
    ("written", "said", "code"),
    [
        ("import time; time.sleep(99)", "did not finish within 9 s: it is still at line 28", 2),
        ("import os; os._exit(3)", "ended its process, with exit code 3", 2),
        ("dscores = nothing", "NameError", 1),
    ],
)
def test_any_text_gets_one_clear_answer(handgrad, tmp_path, written, said, code):
    file = tmp_path / "net.py"
    file.write_text(filled(topic_called("two-layer-network"), 0).replace("dscores = ...", written))
    found, out, err = handgrad("check", file, "--time-limit", "9" if "sleep" in written else "60")
    assert said in " ".join((out + err).split())
    assert found == code


@pytest.mark.slow
@pytest.mark.parametrize("name", TOPICS)
def test_answers_are_right(everything, name):
    found = everything[name]
    assert set(found["right"]["states"]) == {"right"}
    assert set(found["open"]["states"]) == {"open"}
    assert found["loss apart"] < 1e-12
    for step, states in enumerate(found["walk"], start=1):
        assert states[:step] == ["right"] * step
        assert not {"wrong", "raised"}.intersection(states)


@pytest.mark.slow
@pytest.mark.parametrize("name", TOPICS)
def test_mistakes_are_described_without_the_answer(everything, name):
    topic, found = topic_called(name), everything[name]["mistakes"]
    assert len(found) == len(MISTAKES[name]) == 10
    for (step, written, finding), judged in zip(MISTAKES[name], found, strict=True):
        assert (judged["next"], judged["finding"]) == (step, finding), written
        assert judged["line"] in written
        for said in judged["said"].values():
            rest = squeezed(said).replace(squeezed(judged["line"]), "")
            assert not [answer for answer in answers_of(topic) if answer in rest], written


@pytest.mark.slow
def test_gradients_that_are_right_in_another_form_are_right(everything):
    found = everything["own form"]
    assert found["finish"]["by_jax"] == "jax.grad(loss, argnums=(2, 3, 4, 5))"
    assert len(found["finish"]["by_hand"]) == 8
    assert min(found["finish"][name] for name in ("hand", "jax", "compile")) > 0
    assert [each["state"] for each in found["progress"]["steps"]] == ["wrong", *["right"] * 6]


@pytest.mark.slow
def test_right_steps_and_a_wrong_return_are_not_right(everything):
    found = everything["wrong return"]
    assert {each["state"] for each in found["progress"]["steps"]} == {"right"}
    assert found["finish"] is None
    assert "dW2 is wrong" in found["not_returned"]


@pytest.fixture
def answering(monkeypatch):
    """Has every process give the same answer: the states of all steps, and whether they are finished."""

    def answer(topic, states, finish=None):
        steps = [
            StepState(each.number, each.name, each.of, state, each.number)
            for each, state in zip(topic.steps, states, strict=True)
        ]
        given = {"error": None, "not_returned": None, "finish": finish, "final": True}
        given["progress"] = Progress(topic.name, tuple(steps), finish is not None).to_json()
        monkeypatch.setattr(command.Apart, "__init__", lambda *_, **__: None)
        monkeypatch.setattr(command.Apart, "answers", lambda _: iter([given]))
        monkeypatch.setattr(command.Apart, "close", lambda _: None)

    return answer


@pytest.mark.parametrize("language", LANGUAGES)
def test_watching_ends_when_all_is_right(answering, handgrad, tmp_path, language):
    topic, file = topic_called("dropout"), tmp_path / "net.py"
    file.write_text(filled(topic, 6, language))
    finish = {
        "by_hand": ["    a = 1"],
        "by_jax": "jax.grad(loss)",
        "sizes": "W 2×3",
        "hand": 1e-5,
        "jax": 2e-3,
    }
    answering(topic, ["wrong", *["right"] * 5], {**finish, "compile": 1.5})
    code, out, _ = handgrad("check", file, "--watch")
    assert code == 0
    for part in ("a = 1", "jax.grad(loss)", "10 µs", "2 ms", "1.5 s", *topic.read):
        assert part in out
    assert out.count("✓") == 5


def test_hints_advance_and_solve_gives_the_line(answering, capsys, tmp_path):
    topic, file = topic_called("dropout"), tmp_path / "net.py"
    file.write_text(filled(topic, 1))
    answering(topic, ["right", *["open"] * 5])
    step, exercise = topic.steps[1], exercise_in(str(file))
    for hint in (*step.hints["en"], step.hints["en"][-1]):
        command.show_hint(exercise, time_limit=1.0)
        assert hint in capsys.readouterr().out
    command.show_solution(exercise, time_limit=1.0)
    assert step.solution in capsys.readouterr().out


@pytest.mark.slow
def test_watching_judges_each_save_and_ends_cleanly(tmp_path):
    topic, file = topic_called("dropout"), tmp_path / "net.py"
    file.write_text(filled(topic, 0))
    arguments = [sys.executable, "-u", "-m", "handgrad", "check", str(file), "--watch"]
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )
    try:
        for right in range(2):
            if right:
                file.write_text(filled(topic, right))
            while f"{right} of 6 steps are right" not in (line := process.stdout.readline()):
                assert line  # it has not ended
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == ""
    assert not list(tmp_path.glob("handgrad-*"))  # what was kept ready is gone as well
