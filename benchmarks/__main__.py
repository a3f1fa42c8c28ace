"""``python -m benchmarks NAME``: each benchmark is imported when it is asked for."""

from pathlib import Path

import tyro


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
    from benchmarks.step import compare_steps

    compare_steps(hidden, dtypes, threads, rounds)


def checkers(out: Path | None = None) -> None:
    """Hold planted mistakes before handgrad's checker and those of PyTorch, JAX, SciPy and CS231n.

    Args:
        out: where to write the JSON and the plot; benchmarks/results otherwise, and then the tables go
            into benchmarks/README.md too.
    """
    from benchmarks.checkers import compare_checkers

    compare_checkers(*([] if out is None else [out]))


def bounds(problems: int = 10_000, out: Path | None = None) -> None:
    """Measure the checker's error bounds from both sides: false alarms, and the smallest error caught.

    Args:
        problems: how many random problems right networks are judged on, in each dtype.
        out: where to write the JSON; benchmarks/results otherwise, and then the table goes into
            benchmarks/README.md too.
    """
    from benchmarks.bounds import measure_bounds

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
    from benchmarks.recipe import compare_recipes

    compare_recipes(threads, seed, data_dir, *([] if out is None else [out]))


if __name__ == "__main__":
    commands = {"step": step, "checkers": checkers, "bounds": bounds, "recipe": recipe}
    tyro.extras.subcommand_cli_from_dict(commands, prog="python -m benchmarks", description=__doc__)
