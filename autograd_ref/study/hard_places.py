"""The numbers of the page's hard places, all computed on the worked example by both sides."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.crosscheck.comparison import Comparison, compare_trace
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reports.report import NotJudged, Report
from autograd_ref.study import course_notes as notes
from autograd_ref.study.source import read_function
from autograd_ref.two_layer_net import precision
from handgrad.activations import relu, relu_derivative

__all__ = ["alias", "kink", "notes_reports", "products"]


def alias(problem: Problem, trace: Mapping[str, Any]) -> Comparison:
    """Return the checker's result for a trace in which dscores became another name for the probabilities."""
    probs = trace["probs"].copy()
    dscores = probs
    dscores[np.arange(len(problem.y)), problem.y] -= 1
    return compare_trace(problem, {**trace, "probs": probs, "dscores": dscores / len(problem.y)})


def kink() -> dict[str, float]:
    """Return the slope at 0 from either side, by a central difference, here, and by JAX's two functions."""
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
    """Return the ways to multiply the second layer's adjoint by its weights: code, shapes, whether right."""
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
    """Return the checker's answers for the notes' gradient: as published, and with its name fixed."""
    try:
        check_network(notes.as_published)
    except NotJudged as error:
        refusal = _as_shown(str(error))
    else:
        raise ValueError("autograd_ref/study/course_notes.py: the published code must not run, but it does")
    return refusal, check_network(notes.with_the_name_mended, name="notes")


def _as_shown(refusal: str) -> str:
    """Return the refusal with the line number in the code that the page shows, not in its file."""
    number = re.search(r"(?<=line )\d+", refusal)
    if number is None:
        raise ValueError(f"autograd_ref/study/hard_places.py: the checker names no line: {refusal}")
    line = inspect.getsource(notes).splitlines()[int(number[0]) - 1]
    shown = read_function(notes.as_published).code.splitlines().index(line) + 1
    return refusal.replace(f"line {number[0]}", f"line {shown}")
