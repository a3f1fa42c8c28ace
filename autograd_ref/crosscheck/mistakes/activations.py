"""Mistakes in the hidden layer's activation and its slope."""

from collections.abc import Callable

import numpy as np

from autograd_ref.crosscheck.mistakes.replay import Mistake, Values
from handgrad.activations import ACTIVATIONS, GELU_CUBIC, LEAK, sigmoid

__all__ = ["ACTIVATION_MISTAKES", "SLOPES"]

# The usual code for the slope of each activation.
SLOPES = {
    "relu": "(z1 > 0)",
    "leaky_relu": f"np.where(z1 > 0, 1, {LEAK})",
    "sigmoid": "h1 * (1 - h1)",
    "tanh": "(1 - h1**2)",
    "elu": "np.exp(np.minimum(z1, 0))",
    "gelu": "(cdf(z1) + z1 * pdf(z1))",
    "gelu_tanh": f"(s + z1 * s * (1 - s) * dv) with s = sigmoid(v), v = c * (z1 + {GELU_CUBIC} * z1**3)",
    "silu": "(s + z1 * s * (1 - s)) with s = sigmoid(z1)",
    "softplus": "sigmoid(z1)",
}

# Slopes written in terms of the output, but given the input.
OUTPUT_FORMS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "sigmoid": (lambda z: z * (1 - z), "z1 * (1 - z1)"),
    "tanh": (lambda z: 1 - z**2, "1 - z1**2"),
    "elu": (lambda z: np.where(z > 0, 1, z + 1), "z1 + 1 below 0"),
    "softplus": (lambda z: -np.expm1(-z), "1 - exp(-z1)"),
}


def _normal(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr  # loads slowly

    return np.asarray(ndtr(z))


# The second factor of the products z·Φ(z), z·σ(v) and z·σ(z): the first term of the product rule.
FACTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": _normal,
    "gelu_tanh": lambda z: sigmoid(np.sqrt(8 / np.pi) * (z + GELU_CUBIC * z**3)),
    "silu": sigmoid,
}

SMOOTH = tuple(name for name in ACTIVATIONS if name not in ("relu", "leaky_relu"))
# For each activation, other activations whose slope in its backward pass is a mistake with its own id.
NAMED = {"relu": ("leaky_relu",), "leaky_relu": ("relu",), "softplus": ("sigmoid", "silu")}

RELU, LEAKY, SIGMOID, NOT_RELU = ("relu",), ("leaky_relu",), ("sigmoid",), ("leaky_relu", *SMOOTH)


def _slope(
    id_: str, activations: tuple[str, ...], replacement: Callable[[Values], np.ndarray], text: str
) -> Mistake:
    """Return a mistake in dz1, in the backward pass of some activations; the text continues after "yours"."""
    whole = f"dz1: write dz1 = dh1 * {{slope}}; yours {text}"
    return Mistake(id_, "dz1", replacement, whole, activations=activations)


def _of_input(name: str) -> Mistake:
    slope, code = OUTPUT_FORMS[name]
    text = f"has {code}: the slope in terms of the output, given the input."
    return _slope("slope-at-input", (name,), lambda v: v.dh1 * slope(v.z1), text)


def _half_of_product(name: str) -> Mistake:
    factor = FACTORS[name]
    text = "lacks the second term of the product rule, in which the factor of z1 is differentiated."
    return _slope("product-rule-half", (name,), lambda v: v.dh1 * factor(v.z1), text)


def _of_another(other: str) -> Mistake:
    derivative = ACTIVATIONS[other].derivative
    able = tuple(name for name in ACTIVATIONS if name != other and name not in NAMED.get(other, ()))
    text = f"has the slope of {other}."
    return _slope("slope-of-another", able, lambda v: v.dh1 * derivative(v.z1), text)


ACTIVATION_MISTAKES: tuple[Mistake, ...] = (
    _slope("relu-mask-missing", RELU, lambda v: v.dh1, "passes dh1 on without the mask."),
    _slope(
        "relu-mask-inverted",
        RELU,
        lambda v: v.dh1 * (v.z1 <= 0),
        "keeps the inactive units and drops the active ones.",
    ),
    _slope(
        "relu-mask-replaces-upstream",
        RELU,
        lambda v: (v.z1 > 0).astype(float),
        "has the mask itself and loses dh1.",
    ),
    _slope(
        "relu-clips-upstream",
        RELU,
        lambda v: np.maximum(v.dh1, 0),
        "clips the adjoint dh1 at 0 instead of masking it by z1.",
    ),
    _slope(
        "leaky-in-relu-backward",
        RELU,
        lambda v: v.dh1 * ACTIVATIONS["leaky_relu"].derivative(v.z1),
        f"lets {LEAK} of dh1 through below 0, as a leaky ReLU does, but the ReLU is a plain one.",
    ),
    _slope(
        "leaky-slope-missing",
        LEAKY,
        lambda v: v.dh1 * (v.z1 > 0),
        f"lets nothing through below 0, where the slope is {LEAK}.",
    ),
    _slope(
        "leaky-slope-replaces-upstream",
        LEAKY,
        lambda v: np.where(v.z1 > 0, v.dh1, LEAK),
        f"has {LEAK} itself below 0 and loses dh1 there.",
    ),
    _slope(
        "sigmoid-without-one-minus",
        SIGMOID,
        lambda v: v.dh1 * v.h1,
        "has dh1 * h1, without the factor 1 - h1.",
    ),
    _slope(
        "slope-at-output",
        SMOOTH,
        lambda v: v.dh1 * v.activation.derivative(v.h1),
        "takes the derivative, a function of the input z1, at the output h1.",
    ),
    *map(_of_input, OUTPUT_FORMS),
    *map(_half_of_product, FACTORS),
    _slope("slope-missing", NOT_RELU, lambda v: v.dh1, "passes dh1 on without the activation's slope."),
    _slope(
        "slope-replaces-upstream",
        NOT_RELU,
        lambda v: v.activation.derivative(v.z1),
        "has the slope itself and loses dh1.",
    ),
    *map(_of_another, ACTIVATIONS),
    Mistake(
        "relu-on-scores",
        "scores",
        lambda v: np.maximum(v.scores, 0),
        "The scores pass through a ReLU before the softmax: there is no activation after the second layer.",
    ),
    Mistake(
        "activation-on-scores",
        "scores",
        lambda v: v.activation.forward(v.scores),
        "The scores pass through the hidden layer's activation before the softmax: there is none after the "
        "second layer.",
        activations=NOT_RELU,
    ),
)
