"""Random problems that combine several difficulties for rounding."""

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


DIFFICULTIES = (
    "tiny first weights", "tiny second weights", "no biases", "large inputs", "large logits", "large weights",
    "ties", "equal rows", "dead unit", "zero row", "on the kink", "near the kink",
)  # fmt: skip


def add_difficulty(name: str, q: Arrays, rng: np.random.Generator) -> None:
    """Change X and the parameters in place to add one of `DIFFICULTIES`."""
    match name:
        case "tiny first weights":
            q["W1"] *= 1e-8
        case "tiny second weights":
            q["W2"] *= 1e-8
        case "no biases":
            q["b1"][:] = q["b2"][:] = 0
        case "large inputs":
            q["X"] *= 1e4
        case "large logits":
            q["b2"][:] = 1e3 * rng.choice([-1, 1], q["b2"].shape)
        case "large weights":
            q["W2"] *= 1e3
        case "ties":
            q["W2"][:], q["b2"][:] = q["W2"][:, :1], q["b2"][0]
        case "equal rows":
            q["X"][:] = q["X"][0]
        case "dead unit":
            q["b1"][0] = -1e6
        case "zero row":
            q["X"][-1] = 0
        case "on the kink":
            q["X"][0], q["b1"][-1] = 0, 0
        case "near the kink":
            q["b1"][0] = -(q["X"] @ q["W1"])[0, 0]
        case _:
            raise ValueError(name)


def hard_problem(number: int, dtype: str) -> Problem:
    """Return a problem with a random choice of difficulties, named by its number and by them.

    The same number gives the same problem in both dtypes, up to rounding.
    """
    rng = np.random.default_rng([20, number])
    sizes, reg = SHAPES[rng.integers(len(SHAPES))], REGS[rng.integers(len(REGS))]
    problem = random_problem(rng, sizes, reg=reg, dtype=dtype)
    arrays = {"X": problem.X, **problem.params}
    chosen = [name for name in DIFFICULTIES if rng.random() < PROBABILITY]
    for name in chosen:
        add_difficulty(name, arrays, rng)
    name = f"{number}: N, D, H, C = {sizes}, reg {reg}, {', '.join(chosen) or 'ordinary'}"
    X = arrays.pop("X")
    return replace(problem, name=name, X=X, params=arrays)
