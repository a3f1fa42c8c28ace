"""The process that judges one exercise once: `python -m autograd_ref.exercise.child FOLDER`.

`apart` starts it. It reads request.json from FOLDER and waits for a line on its standard input, which gives
its deadline. It writes answer.json twice: after judging the steps, and after judging the whole function.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograd_ref.crosscheck.errors import LONGEST_REFUSAL, one_line, what_stopped
from autograd_ref.crosscheck.isolated.limits import MARGIN, limit, note_where
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.exercise.finish import check_whole, derivations
from autograd_ref.exercise.judge import judge_steps
from autograd_ref.exercise.progress import Progress
from autograd_ref.exercise.running import run_steps
from autograd_ref.exercise.topic import Topic, topic_called
from handgrad.files import replace_json

__all__ = ["judge"]


def main() -> None:
    """Answer the request in the folder on the command line, and exit."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text())
    sys.dont_write_bytecode = True  # leave no files beside the student's
    limit(request["memory"], 2 * request["time_limit"])
    topic = topic_called(request["topic"])
    if request["warm"]:  # the student's program needs the same compiled functions as the right one
        run_steps(topic.code, "<topic>", topic)
    deadline = sys.stdin.readline()
    if not deadline:  # the parent process has closed the pipe
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
    note_where(folder / "where.json", float(deadline) - time.time() - MARGIN)
    pid = os.getpid()

    def answer(found: dict[str, Any]) -> None:
        if os.getpid() == pid:  # not in a process that the student's program forked
            replace_json(folder / "answer.json", {"at": time.time(), **found})

    judge(Path(request["file"]), topic, answer)
    os._exit(0)


def judge(file: Path, topic: Topic, answer: Callable[[dict[str, Any]], None]) -> None:
    """Judge an exercise, and pass the results to ``answer``: first the steps, then the whole function."""
    found: dict[str, Any] = {"progress": None, "error": None, "not_returned": None, "finish": None}
    try:
        progress = judge_steps(file, topic)
        found["progress"] = progress.to_json()
        if progress.is_whole:
            answer({**found, "final": False})
            _judge_whole(file, topic, progress, found)
    except BaseException as error:
        found["error"] = _said(error, file)
    answer({**found, "final": True})


def _judge_whole(file: Path, topic: Topic, progress: Progress, found: dict[str, Any]) -> None:
    """Judge the gradients that the function returns; they can be right although steps have another form."""
    try:
        report, function = check_whole(file, topic)
    except NotJudged:
        if progress.next is None:
            raise
        return
    if report.ok:
        of = {each.of for each in report.quantities if each.of is not None}
        found["finish"] = derivations(file.read_text(encoding="utf-8-sig"), function, topic, of)
    elif progress.next is None:
        found["not_returned"] = _in_brief(report)


def _said(error: BaseException, file: Path) -> str:
    if isinstance(error, NotJudged):
        return one_line(str(error), LONGEST_REFUSAL)
    return what_stopped(error, str(file))


def _in_brief(report: Report) -> str:
    """Return what is wrong without the place, which would give the solution away."""
    return "\n".join([report.summary(), *report.witnesses()])


if __name__ == "__main__":
    main()
