"""The end of a sweep: the chosen point alone, trained as a run of its own and tested once."""

import json
from dataclasses import replace
from pathlib import Path

from handgrad.files import replace_json
from handgrad.runs.directory import holds_run, resume_run, start_run
from handgrad.runs.prediction import predict_run
from handgrad.sweep.summary import Setting

__all__ = ["train_and_test"]

BEST, TEST = "best", "test.json"


def train_and_test(directory: Path, best: Setting) -> str:
    """Train the best combination with its first seed, and test it, unless that is done; return what to print.

    Raises:
        ValueError, OSError, DivergedError, InterruptedRunError: as `handgrad.runs.directory.start_run`.
    """
    run, test = directory / BEST, directory / TEST
    if not test.exists():
        config = replace(best.point, threads=1)
        if holds_run(run):
            resume_run(run, config)
        else:
            start_run(config, run)
        prediction = predict_run(run, config)
        replace_json(test, {"accuracy": prediction.accuracy, "report": str(prediction)})
    return str(json.loads(test.read_text())["report"])
