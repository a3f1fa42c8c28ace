"""Judge every topic's answer and every mistake, all in this one process: JSON to standard output."""

import json
from pathlib import Path

from exercise_mistakes import MISTAKES

from autograd_ref.exercise.judge import judge_source
from autograd_ref.exercise.screen import plain, seen
from autograd_ref.exercise.topic import topics
from autograd_ref.exercise.words import Words
from autograd_ref.exercise.writing import Exercise, text_of


def with_lines(topic, name, written):
    """The right program with other lines for one step."""
    step = next(each for each in topic.steps if each.name == name)
    indent = step.blank[: len(step.blank) - len(step.blank.lstrip())]
    lines = "\n".join(indent + line for line in written.splitlines())
    return topic.code.replace(step.solution, lines)


def judged(topic, source):
    """How far it is, and what is said in both languages."""
    progress = judge_source(source, f"/nowhere/{topic.name}.py", topic)
    answer = {"progress": progress.to_json(), "error": None, "finish": None, "not_returned": None}
    said = {}
    for language in ("en", "zh"):
        exercise = Exercise(Path("net.py"), topic, Words(language))
        said[language] = plain(seen(answer, exercise))
    found = progress.next
    return {
        "states": [each.state for each in progress.steps],
        "next": found and found.name,
        "finding": found and found.finding and found.finding[0],
        "said": said,
    }


if __name__ == "__main__":
    everything = {}
    for topic in topics():
        everything[topic.name] = {
            "right": judged(topic, topic.code),
            "open": judged(topic, text_of(topic, "net.py", "zh")),
            "mistakes": [judged(topic, with_lines(topic, step, lines)) for step, lines, _ in MISTAKES[topic.name]],
        }
    print(json.dumps(everything))
