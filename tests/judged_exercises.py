"""Judge every topic's answer and every mistake, all in this one process: JSON to standard output."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import numpy as np
from exercise_mistakes import MISTAKES
from rich.console import Console

from autograd_ref.exercise.child import judge
from autograd_ref.exercise.finish import loss_in_jax
from autograd_ref.exercise.judge import judge_source
from autograd_ref.exercise.screen import seen
from autograd_ref.exercise.topic import topic_called, topics
from autograd_ref.exercise.words import Words
from autograd_ref.exercise.writing import Exercise, text_of
from autograd_ref.two_layer_net import precision


def with_lines(topic, name, written):
    """The right program with other lines for one step."""
    step = next(each for each in topic.steps if each.name == name)
    indent = step.blank[: len(step.blank) - len(step.blank.lstrip())]
    lines = "\n".join(indent + line for line in written.splitlines())
    assert step.solution in topic.code
    return topic.code.replace(step.solution, lines)


def as_text(shown):
    console = Console(width=110, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def judged(topic, source):
    """The progress, and the output in both languages."""
    progress = judge_source(source, f"/nowhere/{topic.name}.py", topic)
    answer = {"progress": progress.to_json(), "error": None, "finish": None, "not_returned": None}
    said = {
        language: as_text(seen(answer, Exercise(Path("net.py"), topic, Words(language))))
        for language in ("en", "zh")
    }
    found = progress.next
    return {
        "states": [each.state for each in progress.steps],
        "next": found and found.name,
        "finding": found and found.finding and found.finding[0],
        "line": found and found.code.strip(),
        "said": said,
    }


def walk(topic):
    """The states of the steps as they are filled in, one after the other."""
    source, found = text_of(topic, "net.py", "en"), []
    for step in topic.steps:
        source = source.replace(step.blank, step.solution, 1)
        progress = judge_source(source, "/nowhere/net.py", topic)
        found.append([each.state for each in progress.steps])
    return found


def loss_apart(topic):
    """The difference of the loss in JAX from the program's loss."""
    space = {}
    exec(topic.code, space)
    arguments = space["example"](np.random.default_rng(0))
    with precision(np.float64):
        in_jax = float(jax.jit(loss_in_jax(topic))(*arguments))
    return abs(in_jax / float(space[topic.function](*arguments)[0]) - 1)


def whole(topic, changes):
    """The last answer on a program with some changes."""
    source = topic.code
    for before, after in changes.items():
        assert before in source
        source = source.replace(before, after)
    answers = []
    with TemporaryDirectory() as folder:
        file = Path(folder, "net.py")
        file.write_text(source)
        judge(file, topic, answers.append)
    return answers[-1]


# Divided by N at the end, as courses write it, and printing on the way.
OWN_FORM = {
    "(probs - np.eye(C)[y]) / N": "probs - np.eye(C)[y]\n    print(dscores)",
    "h1.T @ dscores": "h1.T @ dscores / N",
    "dscores.sum(axis=0)": "dscores.sum(axis=0) / N",
    "dscores @ W2.T": "dscores @ W2.T / N",
}
WRONG_RETURN = {"return loss, dW1, db1, dW2": "return loss, dW1, db1, 2 * dW2"}


# With loops, and with a statement that needs every step.
WALKED = ("activations", "convolution", "recurrent")

if __name__ == "__main__":
    everything = {}
    with redirect_stdout(StringIO()):
        network = topic_called("two-layer-network")
        everything["own form"] = whole(network, OWN_FORM)
        everything["wrong return"] = whole(network, WRONG_RETURN)
    for topic in topics():
        mistakes = MISTAKES[topic.name]
        everything[topic.name] = {
            "right": judged(topic, topic.code),
            "open": judged(topic, text_of(topic, "net.py", "zh")),
            "mistakes": [judged(topic, with_lines(topic, step, lines)) for step, lines, _ in mistakes],
            "loss apart": loss_apart(topic),
            "walk": walk(topic) if topic.name in WALKED else [],
        }
    print(json.dumps(everything))
