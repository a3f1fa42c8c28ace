"""Functions designed to get a wrong verdict, each with a right gradient and a wrong one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from autograd_ref import check_gradients
from autograd_ref.arithmetic.pivots import lu_in_order

BASES = np.array([0.0, 1.0, -2.0, 0.0, 0.5])


def powers(x):
    return np.sum(1 + x + 3 * x**2 + x**3), 1 + 6 * x + 3 * x * x


def powers_wrong_in_the_middle(x):
    """The entry that is off is another one wherever the tie of the two zeros falls apart."""
    loss, g = powers(x)
    g[np.argsort(np.abs(g))[g.size // 2]] -= 0.2
    return loss, g


def power_loss(x):
    return jnp.sum(x**0 + x + 3 * x**2 + x**3)


def softmax_beside_infinity(x, m):
    z = x + m
    e = np.exp(z - z.max())
    return z.max() + np.log(e.sum()), e / e.sum()


def softmax_of_all(x, m):
    return softmax_beside_infinity(x, m)[0], softmax_beside_infinity(x, 0 * np.isfinite(m))[1]


def roots_and_powers(x, a):
    return np.sum(x**a), a * x ** (a - 1)


def one_power_for_all(x, a):
    return np.sum(x**a), 1.5 * x ** (a - 1)


INTEGERS = np.array([[2.0, 1, 0, -1], [1, 3, -2, 0], [0, -1, 1, 4], [3, 4, -2, -1]])


def cofactors(A):
    n = range(len(A))
    minors = [[np.linalg.det(np.delete(np.delete(A, i, 0), j, 1)) for j in n] for i in n]
    return np.linalg.det(A), np.array([[(-1) ** (i + j) * minors[i][j] for j in n] for i in n], A.dtype)


def cofactors_without_signs(A):
    loss, g = cofactors(A)
    return loss, np.abs(g)


CASES = {
    "integer powers at 0": (power_loss, (BASES,), powers, powers_wrong_in_the_middle, 3),
    "log-sum-exp beside −inf": (
        lambda x, m: jax.nn.logsumexp(x + m), (BASES, np.array([0.0, -np.inf, 0.0, 0.0, 0.0])),
        softmax_beside_infinity, softmax_of_all, 3,
    ),
    "powers of 1.5 and 2.5 at 0": (
        lambda x, a: jnp.sum(x**a), (np.array([0.0, 1.0, 4.0, 0.0]), np.array([1.5, 2.5, 1.5, 2.5])),
        roots_and_powers, one_power_for_all, 1,
    ),
    "determinant of a singular matrix": (
        jnp.linalg.det, (INTEGERS,), cofactors, cofactors_without_signs, 3,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_function_is_judged(name):
    loss, given, right, wrong, points = CASES[name]
    for dtype in ("float64", "float32") if name == "integer powers at 0" else ("float64",):
        report = check_gradients(right, loss, *given, dtype=dtype, points=points)
        assert report.ok is True, str(report)
        assert check_gradients(wrong, loss, *given, dtype=dtype, points=points).ok is False


@pytest.mark.parametrize("shape", [(4, 4), (2, 5, 3)])
def test_rows_are_exchanged_as_requested(shape):
    with jax.enable_x64(True):
        matrix = jnp.asarray(np.random.default_rng(0).normal(size=shape))
        packed, _, order = jax.lax.linalg.lu(matrix)
        assert np.allclose(lu_in_order(matrix, order), packed, atol=1e-14)
