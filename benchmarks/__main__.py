"""``python -m benchmarks`` is the full comparison; with a NAME, another benchmark.

Each is imported when it is asked for.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from benchmarks.speed.schema import Results


def compare(out: Path | None = None, quick: bool = False, native_blas: bool = False) -> None:
    """How much faster or slower handgrad is than autodiff, and how near the machine's limit.

    Args:
        out: where results.json and the pictures go; benchmarks/results otherwise, and then the tables go
            into benchmarks/README.md and README.md too.
        quick: a small part of it, in 2 minutes instead of 30; into benchmarks/results/quick unless ``out``
            is given.
        native_blas: start the contenders without the variables that pin OpenBLAS to an older core.
    """
    from benchmarks.results import RESULTS, wide_console
    from benchmarks.speed.full import run
    from benchmarks.speed.report import report

    folder = out or (RESULTS / "quick" if quick else RESULTS)
    try:
        results = run(folder, quick, native_blas)
    except KeyboardInterrupt:
        sys.exit(f"stopped; what was measured is told by: python -m benchmarks report --out {folder}")
    report(results, folder, wide_console())


def report(out: Path | None = None) -> None:
    """Print and draw once more what a run found.

    Args:
        out: its folder; benchmarks/results otherwise, and then the READMEs get the tables too.
    """
    from benchmarks.results import RESULTS, wide_console
    from benchmarks.speed import report

    folder = out or RESULTS
    report.report(_read(folder / "results.json"), folder, wide_console())


def agree(one: tyro.conf.Positional[Path], other: tyro.conf.Positional[Path]) -> None:
    """Hold two runs against each other: are their ratios within each other's intervals?

    The exit code is 1 if more lie outside than chance explains.

    Args:
        one: results.json of a run.
        other: that of another run.
    """
    from benchmarks.results import wide_console
    from benchmarks.speed.agreement import compare_runs

    sys.exit(not compare_runs(_read(one), _read(other), wide_console()))


def planted(hidden: int = 150, threads: int = 1, rounds: int = 15) -> None:
    """Try the benchmark on a contender with a wrong gradient, and on one that takes every step twice.

    Args:
        hidden: hidden units H.
        threads: of each contender.
        rounds: how often every contender's turn comes.
    """
    from benchmarks.results import wide_console
    from benchmarks.speed.cases import Case
    from benchmarks.speed.planted import try_planted

    try_planted(Case(hidden=hidden, threads=threads), rounds, wide_console())


def _read(path: Path) -> "Results":
    """A run's results; a file that is none ends the program with a word and exit code 2."""
    from benchmarks.speed.schema import Results

    try:
        return Results.read(path)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def step(
    hidden: tuple[int, ...] = (50, 150, 500, 1024),
    dtypes: tuple[str, ...] = ("float32", "float64"),
    threads: tuple[int, ...] = (1, 2),
    rounds: int = 7,
) -> None:
    """Time the training step, gather included, against JAX, scikit-learn and PyTorch.

    Args:
        hidden: hidden units H.
        dtypes: float32, float64.
        threads: numbers of threads; each contender is bound to so many CPUs.
        rounds: how often every contender's turn comes.
    """
    from benchmarks.speed.step import compare_steps

    compare_steps(hidden, dtypes, threads, rounds)


def checkers(out: Path | None = None) -> None:
    """Hold planted mistakes before handgrad's checker and those of PyTorch, JAX, SciPy and CS231n.

    Args:
        out: where to write the JSON and the plot; benchmarks/results otherwise, and then the tables go
            into benchmarks/README.md too.
    """
    from benchmarks.checkers.compare import compare_checkers

    compare_checkers(*([] if out is None else [out]))


def bounds(problems: int = 10_000, out: Path | None = None) -> None:
    """Measure the checker's error bounds from both sides: false alarms, and the smallest error caught.

    Args:
        problems: how many random problems right networks are judged on, in each dtype.
        out: where to write the JSON; benchmarks/results otherwise, and then the table goes into
            benchmarks/README.md too.
    """
    from benchmarks.checkers.bounds import measure_bounds

    measure_bounds(problems, *([] if out is None else [out]))


def recipe(threads: int = 2, seed: int = 0, data_dir: Path | None = None, out: Path | None = None) -> None:
    """Time the preset "best" to 57 % test accuracy, beside JAX, PyTorch and scikit-learn.

    Args:
        threads: threads of each contender, which is bound to as many CPUs.
        seed: of the weights and of everything that is drawn.
        data_dir: where CIFAR-10 lies; otherwise where `handgrad data` keeps it.
        out: where to write the JSON; benchmarks/results otherwise, and then the table goes into
            benchmarks/README.md too.
    """
    from benchmarks.recipe.compare import compare_recipes

    compare_recipes(threads, seed, data_dir, *([] if out is None else [out]))


def sharding(out: Path | None = None) -> None:
    """Count what a sharded step computes and communicates, and hold a model of its cost against it.

    Args:
        out: where to write the JSON; benchmarks/results otherwise, and then the tables go into
            benchmarks/README.md too.
    """
    from benchmarks.sharding.compare import measure_sharding

    measure_sharding(*([] if out is None else [out]))


def activations(data_dir: Path | None = None, out: Path | None = None) -> None:
    """Measure what is said of activation functions, in training runs on CIFAR-10.

    Args:
        data_dir: where CIFAR-10 lies; otherwise where `handgrad data` keeps it.
        out: where to write the JSON and the plot; benchmarks/results otherwise, and then the tables go
            into benchmarks/README.md too. Runs that are there already are not made again.
    """
    from benchmarks.activations.compare import measure_activations

    measure_activations(data_dir, *([] if out is None else [out]))


def sweep(cases: tuple[tuple[int, int], ...] = ((50, 11), (150, 11)), rounds: int = 7) -> None:
    """Time stacked training against one network after the other, jax.vmap and GridSearchCV.

    Args:
        cases: hidden units and number of networks, in pairs.
        rounds: how often everybody's turn comes.
    """
    from benchmarks.sweep.compare import compare_sweeps

    compare_sweeps(cases, rounds)


def gap(seeds: int = 3, data_dir: Path | None = None) -> None:
    """Measure on CIFAR-10 whether more data, hidden units or penalty close the gap to the test accuracy.

    Args:
        seeds: how often each network is trained.
        data_dir: where CIFAR-10 lies; otherwise where `handgrad data` keeps it.
    """
    from benchmarks.recipe.gap import measure_gap

    measure_gap(seeds, data_dir)


if __name__ == "__main__":
    commands = {
        "step": step,
        "planted": planted,
        "agree": agree,
        "report": report,
        "checkers": checkers,
        "bounds": bounds,
        "recipe": recipe,
        "sharding": sharding,
        "activations": activations,
        "sweep": sweep,
        "gap": gap,
    }
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        tyro.extras.subcommand_cli_from_dict(commands, prog="python -m benchmarks", description=__doc__)
    else:
        others = f"With a name in place of the options, another benchmark: {', '.join(commands)}."
        tyro.cli(compare, prog="python -m benchmarks", description=f"{__doc__}\n{others}")
