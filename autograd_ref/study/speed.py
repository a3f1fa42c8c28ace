"""The benchmark's figures that the page shows, kept in ``speed.json`` beside this file.

`summarise` computes them from ``benchmarks/results/results.json``, which an installed package does not have;
in a clone of the repository, ``python -m autograd_ref.study.speed`` writes them again.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from handgrad.files import replace_file

__all__ = ["Speed", "read_speed", "summarise"]

FILE = Path(__file__).parent / "speed.json"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "results.json"

# The contenders whose steps are drawn, by the benchmark's names.
JAX, PLAIN = "JAX jit", "handgrad plain"
CONTENDERS = ("course notes", "handgrad plain", "handgrad fused", "JAX jit", "PyTorch", "scikit-learn")
BATCH, FEATURES = 200, 3072
BASE_HIDDEN = 150


class Speed(NamedTuple):
    """Figures of one run of the benchmark, in float32, on one thread, N=200, D=3072.

    Attributes:
        cpu: the processor.
        date: the date of the run.
        hidden: the widths H.
        steps: for each contender, the milliseconds of a training step at each width.
        gradient_ratio: for each width, JAX's time for a gradient divided by the time of plain NumPy by hand.
        step_ratio: for each width, JAX's time for a step divided by the time of the fused step.
        compile_seconds: the time to compile JAX's gradient, at H=150.
    """

    cpu: str
    date: str
    hidden: list[int]
    steps: dict[str, list[float]]
    gradient_ratio: list[float]
    step_ratio: list[float]
    compile_seconds: float


def read_speed() -> Speed:
    """Return the stored figures."""
    return Speed(**json.loads(FILE.read_text(encoding="utf-8")))


def summarise(results: Mapping[str, Any]) -> Speed:
    """Choose the figures from the content of ``results.json``; times are medians of all rounds."""
    cases = {
        each["case"]["hidden"]: each["contenders"]
        for each in results["cases"]
        if (each["case"]["dtype"], each["case"]["threads"]) == ("float32", 1)
        and (each["case"]["batch_size"], each["case"]["features"]) == (BATCH, FEATURES)
    }
    widths = sorted(cases)

    def times(name: str, task: str) -> list[float]:
        return [cases[H][name]["median"][task] for H in widths]

    compiled = cases[BASE_HIDDEN][JAX]
    return Speed(
        cpu=results["environment"].split(";")[0],
        date=re.findall(r"\d{4}-\d{2}-\d{2}", results["environment"])[-1],
        hidden=widths,
        steps={name: [_rounded(1000 * seconds) for seconds in times(name, "step")] for name in CONTENDERS},
        gradient_ratio=[
            _rounded(jax / hand)
            for jax, hand in zip(times(JAX, "gradient"), times(PLAIN, "gradient"), strict=True)
        ],
        step_ratio=[_rounded(cases[H][JAX]["ratio"][0]) for H in widths],
        compile_seconds=_rounded(compiled["first_seconds"]["gradient"] - compiled["median"]["gradient"]),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _main() -> None:
    speed = summarise(json.loads(RESULTS.read_text(encoding="utf-8")))
    replace_file(FILE, (json.dumps(speed._asdict(), indent=1) + "\n").encode())


if __name__ == "__main__":
    _main()
