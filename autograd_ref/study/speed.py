"""What the gradient by hand buys: the benchmark's figures that the page shows, in ``speed.json`` beside it.

`summarise` makes them from ``benchmarks/results/results.json``, which an installed package does not have; in
a copy of the repository, ``python -m autograd_ref.study.speed`` writes them anew.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from handgrad.files import replace_file

__all__ = ["Speed", "read_speed", "summarise"]

FILE = Path(__file__).parent / "speed.json"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "results.json"

# Those whose steps are drawn, by the names that the benchmark has for them.
CONTENDERS = ("course notes", "handgrad plain", "handgrad fused", "JAX jit", "PyTorch", "scikit-learn")
BATCH, FEATURES = 200, 3072
BASE_HIDDEN = 150


class Speed(NamedTuple):
    """Figures of one run of the benchmark, in float32, on one thread, N=200, D=3072.

    Attributes:
        cpu: on which it was run.
        date: when.
        hidden: the widths H.
        steps: for each contender, the milliseconds of a training step at each width.
        gradient_ratio: for each width, JAX's time for a gradient as a multiple of plain NumPy's by hand.
        fused_ratio: for each width, JAX's time for a step as a multiple of the fused one's by hand.
        work_ratio: XLA's arithmetic as a multiple of the hand's, at H=150.
        compile_seconds: until JAX's gradient is ready, at H=150.
        memory_mib: what JAX takes beside the data and its own import, at H=150.
    """

    cpu: str
    date: str
    hidden: list[int]
    steps: dict[str, list[float]]
    gradient_ratio: list[float]
    fused_ratio: list[float]
    work_ratio: float
    compile_seconds: float
    memory_mib: float


def read_speed(file: Path = FILE) -> Speed:
    """The figures that were kept."""
    return Speed(**json.loads(file.read_text(encoding="utf-8")))


def summarise(results: Mapping[str, Any]) -> Speed:
    """The figures of a run of the benchmark.

    Args:
        results: what ``results.json`` holds.

    Returns:
        The figures; a time is the median of all rounds, a ratio that of the rounds' own.
    """
    cases = {
        each["case"]["hidden"]: each
        for each in results["cases"]
        if (each["case"]["dtype"], each["case"]["threads"]) == ("float32", 1)
        and (each["case"]["batch_size"], each["case"]["features"]) == (BATCH, FEATURES)
    }
    base = cases[BASE_HIDDEN]
    jax = base["entrants"]["JAX jit"]
    later = median(_rounds(base, "JAX jit", "gradient"))
    return Speed(
        cpu=f"{results['cpu']}, {results['cpus']} CPUs",
        date=results["started"][:10],
        hidden=sorted(cases),
        steps={
            name: [_rounded(1000 * median(_rounds(cases[H], name, "step"))) for H in sorted(cases)]
            for name in CONTENDERS
        },
        gradient_ratio=_ratios(cases, "gradient", "JAX jit", "handgrad plain"),
        fused_ratio=_ratios(cases, "step", "JAX jit", "handgrad fused"),
        work_ratio=round(base["work"]["xla_flops"] / base["work"]["hand_flops"], 4),
        compile_seconds=_rounded(jax["first_seconds"]["gradient"][0] - later),
        memory_mib=_rounded(jax["working_bytes"] / 2**20),
    )


def _ratios(cases: Mapping[int, Any], what: str, name: str, base: str) -> list[float]:
    return [
        _rounded(
            median(
                a / b
                for a, b in zip(_rounds(cases[H], name, what), _rounds(cases[H], base, what), strict=True)
            )
        )
        for H in sorted(cases)
    ]


def _rounds(case: Mapping[str, Any], name: str, what: str) -> Sequence[float]:
    return list(chain.from_iterable(case["entrants"][name]["seconds"][what]))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _main() -> None:
    speed = summarise(json.loads(RESULTS.read_text(encoding="utf-8")))
    replace_file(FILE, (json.dumps(speed._asdict(), indent=1) + "\n").encode())


if __name__ == "__main__":
    _main()
