"""The verdict on a program, by its call."""

from pathlib import Path

from program_calls import CALLS

from autograd_ref import NotJudged
from autograd_ref.crosscheck.isolated.targets import load_target
from autograd_ref.crosscheck.program.calling.target import Asked, check_target


def judge(name, folder, dtype, points=3):
    """The verdict on one program, or why there is none."""
    called = CALLS[name]
    target = load_target(f"{Path(folder) / called.target.replace(':', '.py:')}")
    asked = Asked(called.target, called.call, 1, called.loss, called.backward, {}, points, dtype, 0, 0.0)
    try:
        report = check_target(target.module, target.file, asked)
    except NotJudged as error:
        return {"ok": None, "error": str(error)}
    return {"text": str(report), **report.to_json()}
