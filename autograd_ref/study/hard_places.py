"""What the page shows at the hard places: every number computed on the worked example, by both sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from autograd_ref.crosscheck.comparison import Comparison, compare_trace
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.report import NotJudged, Report
from autograd_ref.study import course_notes as notes
from autograd_ref.two_layer_net import precision
from handgrad.activations import relu, relu_derivative

__all__ = ["Alias", "Collapse", "alias", "collapse", "kink", "notes_reports", "products"]


@dataclass(frozen=True)
class Collapse:
    """The softmax's Jacobian of one sample, and what becomes of it.

    Attributes:
        p: the probabilities.
        y: the right class.
        jacobian: ∂p_k/∂s_j, by `jax.jacobian`, one row for each k.
        dp: ∂L/∂p, where L is the sample's own loss.
        ds: their product, ∂L/∂s.
        short: p − 1_y.
    """

    p: Float[np.ndarray, " C"]
    y: int
    jacobian: Float[np.ndarray, "C C"]
    dp: Float[np.ndarray, " C"]
    ds: Float[np.ndarray, " C"]
    short: Float[np.ndarray, " C"]


def collapse(scores: Float[np.ndarray, " C"], y: int) -> Collapse:
    """The long way from the loss of one sample to the adjoint of its scores, and the short one.

    Args:
        scores: of the sample.
        y: its right class.
    """
    with precision(np.float64):
        p = np.asarray(jax.nn.softmax(jnp.asarray(scores)))
        jacobian = np.asarray(jax.jit(jax.jacobian(jax.nn.softmax))(jnp.asarray(scores)))
    one_hot = np.eye(len(p))[y]
    dp = -one_hot / p[y]
    return Collapse(p, y, jacobian, dp, dp @ jacobian, p - one_hot)


@dataclass(frozen=True)
class Alias:
    """What becomes of the probabilities when dscores is another name for them.

    Attributes:
        before: the probabilities.
        after: the same array, once the labels were subtracted from dscores.
        comparison: what the checker says of the trace that has them.
    """

    before: Float[np.ndarray, "N C"]
    after: Float[np.ndarray, "N C"]
    comparison: Comparison


def alias(problem: Problem, trace: Mapping[str, Any]) -> Alias:
    """Leave out the copy, and check what the trace holds then.

    Args:
        problem: where.
        trace: the right one.
    """
    probs = trace["probs"].copy()
    dscores = probs
    dscores[np.arange(len(problem.y)), problem.y] -= 1
    comparison = compare_trace(problem, {**trace, "probs": probs, "dscores": dscores / len(problem.y)})
    return Alias(trace["probs"], probs, comparison)


def kink() -> dict[str, float]:
    """The slope at 0 that each gives: from either side, a central difference, ours, and JAX's two."""
    zero, h = np.zeros(()), np.array(2.0**-20)
    with precision(np.float64):
        return {
            "left": float((relu(zero) - relu(np.negative(h))) / h),
            "right": float((relu(h) - relu(zero)) / h),
            "central": float((relu(h) - relu(np.negative(h))) / (2 * h)),
            "ours": float(relu_derivative(zero)),
            "jax.nn.relu": float(jax.jit(jax.grad(jax.nn.relu))(0.0)),
            "jnp.maximum": float(jax.jit(jax.grad(lambda z: jnp.maximum(z, 0.0)))(0.0)),
        }


def products(trace: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """The ways to multiply what arrives at the second layer by its weights: code, shapes, whether right."""
    found = []
    for code, left, right in (
        ("dscores @ W2", trace["dscores"], trace["W2"]),
        ("W2 @ dscores", trace["W2"], trace["dscores"]),
        ("dscores.T @ W2", trace["dscores"].T, trace["W2"]),
        ("dscores @ W2.T", trace["dscores"], trace["W2"].T),
    ):
        shapes = f"({left.shape[0]}×{left.shape[1]}) ({right.shape[0]}×{right.shape[1]})"
        try:
            product = left @ right
        except ValueError:
            found.append((code, shapes, False))
        else:
            shape = "×".join(map(str, product.shape))
            right_one = product.shape == trace["h1"].shape and np.array_equal(product, trace["dh1"])
            found.append((code, f"{shapes} → {shape}", right_one))
    return found


def notes_reports() -> tuple[str, Report]:
    """What the checker says of the notes' gradient: as published, and with its undefined name mended."""
    try:
        check_network(notes.as_published)
    except NotJudged as error:
        refusal = str(error)
    else:
        raise ValueError("autograd_ref/study/course_notes.py: what was published runs, which it did not")
    return refusal, check_network(notes.with_the_name_mended, name="notes")
