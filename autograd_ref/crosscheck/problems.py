"""The problems that all checks share: parameters, a batch, a penalty, in one dtype."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer
from numpy.typing import DTypeLike

from handgrad.activations import ActivationName
from handgrad.data.datasets import load_digits, read_cifar10_batch
from handgrad.objective import PENALTY, Objective
from handgrad.trace import PARAMETERS

if TYPE_CHECKING:
    from handgrad import TwoLayerNet

__all__ = [
    "Problem",
    "cifar10_problem",
    "digits_problem",
    "network_problems",
    "random_problem",
    "toy_problem",
]

BATCH = 200
LARGE = 1_000_000


@dataclass(frozen=True)
class Problem:
    """A two-layer network at one point, on one batch.

    Attributes:
        name: name in reports.
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
        X: inputs (N, D) in the dtype of the parameters.
        y: labels (N,) in [0, C).
        reg: strength of the penalty.
        activation: the hidden layer's activation.
        penalty: the c of each penalised parameter's c·reg·‖q‖².
    """

    name: str
    params: dict[str, np.ndarray]
    X: Float[np.ndarray, "N D"]
    y: Integer[np.ndarray, " N"]
    reg: float
    activation: ActivationName = "relu"
    penalty: Mapping[str, float] = field(default_factory=lambda: PENALTY)

    @cached_property
    def objective(self) -> Objective:
        """The penalty and the activation."""
        return Objective(self.reg, self.penalty, self.activation)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The dtype of everything but the labels."""
        return self.X.dtype

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Features D, hidden units H, classes C."""
        (D, H), C = self.params["W1"].shape, self.params["W2"].shape[1]
        return D, H, C

    def net(self) -> "TwoLayerNet":
        """Return the hand-derived network, with copies of the problem's parameters."""
        from handgrad import TwoLayerNet  # brings SciPy, which other people's programs may not want

        net = TwoLayerNet(*self.sizes, activation=self.activation, dtype=self.dtype, rng=0)
        net.params = {name: value.copy() for name, value in self.params.items()}
        return net

    def astype(self, dtype: DTypeLike) -> "Problem":
        """Return the same problem, rounded to another dtype."""
        params = {name: value.astype(dtype) for name, value in self.params.items()}
        return replace(self, params=params, X=self.X.astype(dtype))


def toy_problem() -> Problem:
    """Return the toy problem of CS231n's exercise (2017-2020): zero biases, inputs of size 10, in float64."""
    from handgrad import TwoLayerNet

    net = TwoLayerNet(4, 10, 3, std=0.1, rng=np.random.RandomState(0))
    X = 10 * np.random.RandomState(1).randn(5, 4)
    return Problem("CS231n toy", net.params, X, np.array([0, 1, 2, 2, 1]), reg=0.025)


def digits_problem() -> Problem:
    """Return the first 200 of scikit-learn's digits, H = 50, in float64."""
    X, y = load_digits()
    return _image_problem("digits", X[:BATCH] / 16, y[:BATCH], hidden_size=50)


def cifar10_problem(directory: Path) -> Problem:
    """Return the first 200 images of CIFAR-10's first batch, H = 150, in float64.

    Args:
        directory: the folder with ``data_batch_1.bin``, or its parent.

    Raises:
        FileNotFoundError, ValueError: as for `read_cifar10_batch`.
    """
    X, y = read_cifar10_batch(directory)
    return _image_problem("CIFAR-10", X[:BATCH] / 255, y[:BATCH], hidden_size=150)


def _image_problem(name: str, X: Float[np.ndarray, "N D"], y: np.ndarray, hidden_size: int) -> Problem:
    """Return centred images with random weights whose size keeps the pre-activations near 1."""
    rng = np.random.default_rng(0)
    D, H, C = X.shape[1], hidden_size, 10
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    scale = {"W1": 2 / np.sqrt(D), "b1": 0.1, "W2": 1 / np.sqrt(H), "b2": 0.1}
    params = {q: scale[q] * rng.standard_normal(shapes[q]) for q in PARAMETERS}
    return Problem(name, params, X - X.mean(axis=0), y, reg=0.09)


def random_problem(
    rng: np.random.Generator,
    sizes: tuple[int, int, int, int],
    *,
    reg: float = 0.09,
    dtype: DTypeLike = np.float64,
    name: str = "random",
) -> Problem:
    """Return an ordinary problem: normally distributed inputs, weights and biases, all non-zero.

    Args:
        rng: source of randomness.
        sizes: N, D, H, C.
        reg: strength of the penalty.
        dtype: float32 or float64.
        name: name in reports.

    Returns:
        The problem.
    """
    N, D, H, C = sizes
    params = {
        "W1": rng.standard_normal((D, H)) / np.sqrt(D),
        "b1": 0.5 * rng.standard_normal(H),
        "W2": rng.standard_normal((H, C)) / np.sqrt(H),
        "b2": 0.5 * rng.standard_normal(C),
    }
    X = rng.standard_normal((N, D))
    return Problem(name, params, X, rng.integers(0, C, N), reg).astype(dtype)


def network_problems(
    dtype: DTypeLike,
    seed: int,
    *,
    sizes: tuple[int, int, int, int] | None = None,
    reg: float = 0.1,
    fixed: tuple[int, int, int] | None = None,
) -> list[Problem]:
    """Return problems on which every known mistake shows.

    Biases are not zero. N, D, H and C are all different and at least 3; in one problem D = H = C, where a
    missing transpose fits. The penalty is ordinary, absent and large. Units are dead, on the kink and
    within rounding of it. Numbers are large enough for clipping to show.

    Args:
        dtype: float32 or float64.
        seed: seed of the random numbers.
        sizes: N, D, H, C of the first problem.
        reg: strength of the first problem's penalty.
        fixed: D, H, C of all problems, for a network of fixed size.

    Returns:
        The problems; the first is an ordinary one. For a network of a large fixed size, two problems.
    """
    rng = np.random.default_rng(seed)
    N, *rest = sizes or (9, 7, 10, 5)
    first = (N, *(fixed or rest))
    others = (9, *(fixed or (7, 10, 5)))
    square = (9, *(fixed or (6, 6, 6)))
    ordinary = random_problem(rng, first, reg=reg, dtype=dtype, name="ordinary")
    kinks = _at_the_kink(random_problem(rng, others, reg=0.3, dtype=dtype, name="dead units and kinks"))
    if kinks.params["W1"].size > LARGE:
        return [ordinary, kinks]
    return [
        ordinary,
        kinks,
        random_problem(rng, others, reg=0.0, dtype=dtype, name="no penalty"),
        random_problem(rng, others, reg=10.0, dtype=dtype, name="large penalty"),
        random_problem(rng, square, reg=0.2, dtype=dtype, name="square"),
        _with_large_numbers(random_problem(rng, others, reg=0.1, dtype=dtype, name="large numbers")),
    ]


def _with_large_numbers(problem: Problem) -> Problem:
    """Make inputs, pre-activations and scores near ±10, with confident mistakes, so that clipping shows."""
    params = {**problem.params, "W2": 3 * problem.params["W2"]}
    return replace(problem, X=7 * problem.X, params=params)


def _at_the_kink(problem: Problem) -> Problem:
    """Make one unit dead on every sample, others 0 on one sample, within rounding of it, or just above."""
    X, b1 = problem.X.copy(), problem.params["b1"].copy()
    H = len(b1)
    X[1] = 0
    b1[0] = -100
    b1[1 % H] = 0
    b1[2 % H] = -(X @ problem.params["W1"])[0, 2 % H]
    b1[3 % H] = -(X @ problem.params["W1"])[0, 3 % H] + problem.dtype.type(1e-4)
    return replace(problem, X=X, params={**problem.params, "b1": b1})
