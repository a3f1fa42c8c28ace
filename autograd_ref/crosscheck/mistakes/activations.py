"""The mistakes that people make in the hidden layer's activation and its slope."""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from autograd_ref.crosscheck.mistakes.replay import Mistake, Values
from handgrad.activations import ACTIVATIONS, GELU_CUBIC, LEAK, sigmoid

__all__ = ["ACTIVATION_MISTAKES", "SLOPES"]

# The slope of each activation, as one would write it.
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

# The slopes that are written in terms of the output, given the input instead.
OUTPUT_FORMS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "sigmoid": (lambda z: z * (1 - z), "z1 * (1 - z1)"),
    "tanh": (lambda z: 1 - z**2, "1 - z1**2"),
    "elu": (lambda z: np.where(z > 0, 1, z + 1), "z1 + 1 below 0"),
    "softplus": (lambda z: -np.expm1(-z), "1 - exp(-z1)"),
}

# The second factor of the products z·Φ(z), z·σ(v) and z·σ(z): the first term of the product rule.
FACTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": ndtr,
    "gelu_tanh": lambda z: sigmoid(np.sqrt(8 / np.pi) * (z + GELU_CUBIC * z**3)),
    "silu": sigmoid,
}

SMOOTH = tuple(name for name in ACTIVATIONS if name not in ("relu", "leaky_relu"))
# For each activation, the others whose slope in its backward pass is a mistake with a name of its own.
NAMED = {"relu": ("leaky_relu",), "leaky_relu": ("relu",), "softplus": ("sigmoid", "silu")}

_SLOPE = "dz1: write dz1 = dh1 * {slope}; yours "


def _of_input(name: str) -> Mistake:
    slope, text = OUTPUT_FORMS[name]
    return Mistake(
        "slope-at-input", "dz1", lambda v: v.dh1 * slope(v.z1),
        _SLOPE + f"has {text}: the slope in terms of the output, given the input.", activations=(name,),
    )  # fmt: skip


def _half_of_product(name: str) -> Mistake:
    factor = FACTORS[name]
    return Mistake(
        "product-rule-half", "dz1", lambda v: v.dh1 * factor(v.z1),
        _SLOPE + "lacks the second term of the product rule, in which the factor of z1 is differentiated.",
        activations=(name,),
    )  # fmt: skip


def _of_another(other: str) -> Mistake:
    derivative = ACTIVATIONS[other].derivative
    able = tuple(name for name in ACTIVATIONS if name != other and name not in NAMED.get(other, ()))
    return Mistake(
        "slope-of-another", "dz1", lambda v: v.dh1 * derivative(v.z1),
        _SLOPE + f"has the slope of {other}.", activations=able,
    )  # fmt: skip


def _lost_below(v: Values) -> np.ndarray:
    return np.where(v.z1 > 0, v.dh1, LEAK)


ACTIVATION_MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "relu-mask-missing", "dz1", lambda v: v.dh1, _SLOPE + "passes dh1 on without the mask.",
        activations=("relu",),
    ),
    Mistake(
        "relu-mask-inverted", "dz1", lambda v: v.dh1 * (v.z1 <= 0),
        _SLOPE + "keeps the inactive units and drops the active ones.", activations=("relu",),
    ),
    Mistake(
        "relu-mask-replaces-upstream", "dz1", lambda v: (v.z1 > 0).astype(float),
        _SLOPE + "has the mask itself and loses dh1.", activations=("relu",),
    ),
    Mistake(
        "relu-clips-upstream", "dz1", lambda v: np.maximum(v.dh1, 0),
        _SLOPE + "clips the adjoint dh1 at 0 instead of masking it by z1.", activations=("relu",),
    ),
    Mistake(
        "leaky-in-relu-backward", "dz1", lambda v: v.dh1 * ACTIVATIONS["leaky_relu"].derivative(v.z1),
        _SLOPE + f"lets {LEAK} of dh1 through below 0, as a leaky ReLU does, but the ReLU is a plain one.",
        activations=("relu",),
    ),
    Mistake(
        "leaky-slope-missing", "dz1", lambda v: v.dh1 * (v.z1 > 0),
        _SLOPE + f"lets nothing through below 0, where the slope is {LEAK}.", activations=("leaky_relu",),
    ),
    Mistake(
        "leaky-slope-replaces-upstream", "dz1", _lost_below,
        _SLOPE + f"has {LEAK} itself below 0 and loses dh1 there.", activations=("leaky_relu",),
    ),
    Mistake(
        "sigmoid-without-one-minus", "dz1", lambda v: v.dh1 * v.h1,
        _SLOPE + "has dh1 * h1, without the factor 1 - h1.", activations=("sigmoid",),
    ),
    Mistake(
        "slope-at-output", "dz1", lambda v: v.dh1 * v.activation.derivative(v.h1),
        _SLOPE + "takes the derivative, a function of the input z1, at the output h1.", activations=SMOOTH,
    ),
    *map(_of_input, OUTPUT_FORMS),
    *map(_half_of_product, FACTORS),
    Mistake(
        "slope-missing", "dz1", lambda v: v.dh1, _SLOPE + "passes dh1 on without the activation's slope.",
        activations=("leaky_relu", *SMOOTH),
    ),
    Mistake(
        "slope-replaces-upstream", "dz1", lambda v: v.activation.derivative(v.z1),
        _SLOPE + "has the slope itself and loses dh1.", activations=("leaky_relu", *SMOOTH),
    ),
    *map(_of_another, ACTIVATIONS),
    Mistake(
        "relu-on-scores", "scores", lambda v: np.maximum(v.scores, 0),
        "The scores pass through a ReLU before the softmax: there is no activation after the second layer.",
    ),
    Mistake(
        "activation-on-scores", "scores", lambda v: v.activation.forward(v.scores),
        "The scores pass through the hidden layer's activation before the softmax: there is none after the "
        "second layer.",
        activations=("leaky_relu", *SMOOTH),
    ),
)  # fmt: skip
