"""Random problems in which whatever can be hard about rounding may come together."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from autograd_ref.crosscheck.problems import Problem, random_problem

# N, D, H, C; few, because JAX compiles for each of them.
SHAPES = (
    (1, 1, 1, 2), (1, 4, 3, 2), (2, 1, 5, 2), (5, 4, 1, 3), (5, 4, 10, 3), (9, 7, 10, 5),
    (7, 6, 6, 6), (4, 3, 40, 2), (16, 20, 8, 10), (3, 300, 4, 2), (300, 3, 4, 3), (6, 10, 300, 3),
)  # fmt: skip
REGS = 0.0, 1e-3, 0.09, 10.0
PROBABILITY = 0.2  # of each difficulty

Arrays = dict[str, np.ndarray]


def _tiny_first_weights(q: Arrays, rng: np.random.Generator) -> None:
    q["W1"] *= 1e-8


def _tiny_second_weights(q: Arrays, rng: np.random.Generator) -> None:
    q["W2"] *= 1e-8


def _no_biases(q: Arrays, rng: np.random.Generator) -> None:
    q["b1"][:] = q["b2"][:] = 0


def _large_inputs(q: Arrays, rng: np.random.Generator) -> None:
    q["X"] *= 1e4


def _large_logits(q: Arrays, rng: np.random.Generator) -> None:
    q["b2"][:] = 1e3 * rng.choice([-1, 1], q["b2"].shape)


def _large_weights(q: Arrays, rng: np.random.Generator) -> None:
    q["W2"] *= 1e3


def _ties(q: Arrays, rng: np.random.Generator) -> None:
    q["W2"][:], q["b2"][:] = q["W2"][:, :1], q["b2"][0]


def _equal_rows(q: Arrays, rng: np.random.Generator) -> None:
    q["X"][:] = q["X"][0]


def _dead_unit(q: Arrays, rng: np.random.Generator) -> None:
    q["b1"][0] = -1e6


def _zero_row(q: Arrays, rng: np.random.Generator) -> None:
    q["X"][-1] = 0


def _on_the_kink(q: Arrays, rng: np.random.Generator) -> None:
    q["X"][0], q["b1"][-1] = 0, 0


def _near_the_kink(q: Arrays, rng: np.random.Generator) -> None:
    q["b1"][0] = -(q["X"] @ q["W1"])[0, 0]


DIFFICULTIES: dict[str, Callable[[Arrays, np.random.Generator], None]] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _tiny_first_weights, _tiny_second_weights, _no_biases, _large_inputs, _large_logits, _large_weights,
        _ties, _equal_rows, _dead_unit, _zero_row, _on_the_kink, _near_the_kink,
    )
}  # fmt: skip


def hard_problem(number: int, dtype: str) -> Problem:
    """A problem with a random choice of difficulties, named by its number and by them.

    Args:
        number: of the problem; the same number gives the same problem, in either dtype as far as it goes.
        dtype: float32 or float64.

    Returns:
        The problem.
    """
    rng = np.random.default_rng([20, number])
    sizes, reg = SHAPES[rng.integers(len(SHAPES))], REGS[rng.integers(len(REGS))]
    problem = random_problem(rng, sizes, reg=reg, dtype=dtype)
    arrays = {"X": problem.X, **problem.params}
    chosen = [name for name in DIFFICULTIES if rng.random() < PROBABILITY]
    for name in chosen:
        DIFFICULTIES[name](arrays, rng)
    name = f"{number}: N, D, H, C = {sizes}, reg {reg}, {', '.join(chosen) or 'ordinary'}"
    X = arrays.pop("X")
    return replace(problem, name=name, X=X, params=arrays)
