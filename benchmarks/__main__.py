"""Measure how fast handgrad is, and which mistakes its checker finds.

Without a NAME, time a training step, and compare it with autodiff and the machine's limit.
"""

import sys
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.processes import BenchmarkError
from benchmarks.results import RESULTS


def speed(
    out: Path | None = None,
    quick: bool = False,
    only: tuple[Literal["widths", "small", "large", "threads"], ...] = (),
    native_blas: bool = False,
) -> None:
    """Time a training step, and compare it with autodiff and the machine's limit.

    Args:
        out: Write results.json and the picture to this folder. By default they go to benchmarks/results, and
            a sentence in two READMEs is updated.
        quick: Measure a small part, in 2 minutes instead of 30, into benchmarks/results/quick.
        only: Measure only these groups of cases, in 2 to 5 minutes each, and keep the other results: widths
            on one thread, minibatches of 1 to 64 rows, of 1000 to 5000 rows, and three widths on all CPUs.
        native_blas: Start the contenders without the variables that pin OpenBLAS to an older core.
    """
    from benchmarks.speed.full import run
    from benchmarks.speed.report import report

    if quick and only:
        raise BenchmarkError("--quick and --only choose different cases; give one of them")
    folder = out or (RESULTS / "quick" if quick else RESULTS)
    try:
        results = run(folder, quick, native_blas, only)
    except KeyboardInterrupt:
        sys.exit(f"Stopped. To see what was measured: python -m benchmarks report --out {folder}")
    report(results, folder)


def report(out: Path = RESULTS) -> None:
    """Print and draw the results of a speed run again.

    Args:
        out: Folder of the run. For benchmarks/results, a sentence in two READMEs is updated, too.
    """
    from benchmarks.speed import report
    from benchmarks.speed.schema import Results

    report.report(Results.read(out / "results.json"), out)


def checkers(
    parameters: tuple[int, ...] = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000), out: Path = RESULTS
) -> None:
    """Compare the gradient checkers of handgrad, PyTorch, JAX, SciPy and CS231n on planted mistakes.

    Args:
        parameters: Time the checkers on networks with about these numbers of parameters.
        out: Write the JSON to this folder.
    """
    from benchmarks.checkers.compare import compare_checkers

    compare_checkers(parameters, out)


def bounds(
    problems: int = 10_000, zoo: str | None = None, quick: bool = False, out: Path | None = None
) -> None:
    """Measure the checker's error bounds from both sides, and count its mistakes on hostile functions.

    Args:
        problems: Judge right networks on this number of random problems, in each dtype.
        zoo: Judge only the hostile functions with this in their kind or name, and no random problems.
        quick: Take 100 random problems and a sample of the zoo.
        out: Write the JSON to this folder. By default it goes to benchmarks/results, or for partial runs to
            benchmarks/results/quick.
    """
    from benchmarks.checkers.bounds import measure_bounds
    from benchmarks.checkers.zoo.report import measure_zoo

    folder = out or (RESULTS / "quick" if quick or zoo else RESULTS)
    if zoo is None:
        measure_bounds(min(problems, 100) if quick else problems, folder)
    try:
        mistakes = measure_zoo(folder, zoo or "", quick)
    except ValueError as error:
        raise BenchmarkError(str(error)) from error
    sys.exit(1 if mistakes else 0)


def blame(
    quick: bool = False, jobs: int = 1, seed: int = 0, repairs: bool = True, out: Path | None = None
) -> None:
    """Plant mistakes in NumPy programs, and count how often the checker names the line.

    An interrupted run continues where it stopped.

    Args:
        quick: Plant about 200 mistakes instead of more than 1,000.
        jobs: Run this number of processes.
        seed: Draw another sample of mistakes.
        repairs: Search for a repair of every mistake, which takes most of the time.
        out: Write the JSON to this folder. By default it goes to benchmarks/results, or for partial runs to
            benchmarks/results/quick.
    """
    from benchmarks.blame.report import measure_blame

    partial = quick or seed != 0 or not repairs
    measure_blame(out or (RESULTS / "quick" if partial else RESULTS), quick, jobs, seed, repairs)


def recording(out: Path = RESULTS) -> None:
    """Time the recording of NumPy programs, their adjoints and bounds, and measure the memory they take.

    Args:
        out: Write the JSON to this folder.
    """
    from benchmarks.checkers.recording import measure_recording

    measure_recording(out)


def seconds(rounds: int = 5, out: Path = RESULTS) -> None:
    """Time the commands that a user waits for, the first time and the second, and show where the time goes.

    Args:
        rounds: Run every command this many times, in turns.
        out: Write the JSON and the table to this folder.
    """
    from benchmarks.seconds.measure import measure_seconds

    measure_seconds(out, rounds)


def rules(only: str = "", out: Path = RESULTS) -> None:
    """Judge the rules of differentiation that come with JAX, optax and PyTorch.

    Args:
        only: Judge only rules with this in their name again, and keep the other results.
        out: Write the JSON to this folder.
    """
    from benchmarks.checkers.public_rules import measure_rules

    measure_rules(out, only)


def sweep(
    cases: tuple[tuple[int, int], ...] = ((50, 11), (150, 11)), rounds: int = 7, out: Path = RESULTS
) -> None:
    """Time stacked training against one network after the other, jax.vmap and GridSearchCV.

    Args:
        cases: Time these pairs of hidden units and number of networks.
        rounds: Give every contender this number of turns.
        out: Write the JSON to this folder.
    """
    from benchmarks.sweep.compare import compare_sweeps

    compare_sweeps(cases, rounds, out)


def recipe(threads: int = 2, seed: int = 0, data_dir: Path | None = None, out: Path = RESULTS) -> None:
    """Time the preset "best" to 57 % test accuracy, beside JAX, PyTorch and scikit-learn.

    Args:
        threads: Give each contender this number of threads, and as many CPUs.
        seed: Draw weights, minibatches, flips and dropout from this seed.
        data_dir: Read CIFAR-10 from this folder; by default, from the folder of `handgrad data`.
        out: Write the JSON to this folder.
    """
    from benchmarks.recipe.compare import compare_recipes

    compare_recipes(threads, seed, data_dir, out)


def activations(data_dir: Path | None = None, out: Path = RESULTS) -> None:
    """Train with every activation function on CIFAR-10, and look at the hidden layer.

    Args:
        data_dir: Read CIFAR-10 from this folder; by default, from the folder of `handgrad data`.
        out: Write the JSON and the picture to this folder. Runs that it already contains are not repeated.
    """
    from benchmarks.activations.compare import compare_activations

    compare_activations(data_dir, out)


COMMANDS = {
    command.__name__: command
    for command in (report, checkers, bounds, blame, rules, recording, seconds, sweep, recipe, activations)
}


def main() -> None:
    """Run the command that the arguments name; without a name, `speed`."""
    try:
        if sys.argv[1:] and not sys.argv[1].startswith("-"):
            tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="python -m benchmarks", description=__doc__)
        else:
            lines = [
                f"  {name}: {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()
            ]
            description = "\n".join([f"{__doc__}", "The other benchmarks, by NAME:", "", *lines])
            tyro.cli(speed, prog="python -m benchmarks", description=description)
    except (BenchmarkError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
