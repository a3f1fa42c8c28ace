"""Diagnostics of the hidden layer in training: dead units, saturation, adjoints, updates of the weights."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from handgrad.activations import ACTIVATIONS
from handgrad.layers import affine_forward, softmax_cross_entropy_backward, softmax_cross_entropy_forward
from handgrad.two_layer_net import TwoLayerNet

__all__ = ["SATURATED", "Diagnoser", "Diagnostics"]

# A unit is saturated on an image where its |derivative| is below this: sigmoid beyond |z| = 6.9, tanh 4.1.
SATURATED = 1e-3
# Number of rows tested at a time for live units; as floating-point numbers they fit into the cache.
ROWS = 64


class Diagnostics(NamedTuple):
    """The state of a network after ``step`` steps.

    Attributes:
        dead_units: number of hidden units that are saturated on every training image (a ReLU never fires).
        saturated: share of saturated activations, over units and sampled training images.
        activation_mean: mean of the activations h1 over units and sampled images; 0 if they are centred.
        activation_std: their standard deviation.
        dh1_norm: Frobenius norm of the adjoint of h1, for the mean loss over the sampled images.
        dz1_norm: Frobenius norm of the adjoint of z1.
        dz1_to_dh1: their ratio, the share that the activation passes back; NaN if dh1 is zero.
        update_W1: ‖ΔW1‖/‖W1‖ of the last step.
        update_W2: ‖ΔW2‖/‖W2‖ of the last step.
    """

    step: int
    dead_units: int
    saturated: float
    activation_mean: float
    activation_std: float
    dh1_norm: float
    dz1_norm: float
    dz1_to_dh1: float
    update_W1: float  # noqa: N815
    update_W2: float  # noqa: N815


class Diagnoser:
    """Diagnoses a network after a step; remembers dead units, which makes the next diagnosis faster."""

    def __init__(
        self,
        net: TwoLayerNet,
        sample: tuple[Shaped[np.ndarray, "n D"], Integer[np.ndarray, " n"]],
        X: Shaped[np.ndarray, "N D"],
        mean: Float[np.ndarray, " D"],
    ) -> None:
        """Diagnose ``net``: dead units on all training images X, everything else on a sample.

        ``mean`` is subtracted from every image.
        """
        self._net, self._X, self._mean = net, X, mean.astype(net.dtype)
        self._images, self._y = sample
        self._known: dict[int, tuple[np.ndarray, float]] = {}

    def diagnose(self, before: Mapping[str, np.ndarray], step: int) -> Diagnostics:
        """Diagnose the network right after step number ``step``; ``before`` has the old W1 and W2."""
        params = self._net.params
        activate, derivative = ACTIVATIONS[self._net.activation]
        z1 = affine_forward(self._images.astype(self._net.dtype) - self._mean, params["W1"], params["b1"])
        h1, slope = activate(z1), derivative(z1)
        _, probs = softmax_cross_entropy_forward(affine_forward(h1, params["W2"], params["b2"]), self._y)
        dh1 = softmax_cross_entropy_backward(probs, self._y) @ params["W2"].T
        saturated = np.abs(slope) < SATURATED
        arriving, passed = _norm(dh1), _norm(dh1 * slope)
        return Diagnostics(
            step,
            int(self.find_dead_units(saturated.all(axis=0)).sum()),
            float(saturated.mean()),
            float(h1.mean(dtype=np.float64)),
            float(h1.std(dtype=np.float64)),
            arriving,
            passed,
            passed / arriving if arriving else float("nan"),
            _relative_move(before["W1"], params["W1"]),
            _relative_move(before["W2"], params["W2"]),
        )

    def find_dead_units(self, candidates: Bool[np.ndarray, " H"]) -> Bool[np.ndarray, " H"]:
        """Return the mask of candidates that are saturated on every training image.

        One image on which a unit is not saturated is enough to drop it from the test on further images. A
        unit needs no test, because it is still dead, if it was far enough below 0 on all images and its
        weights have since done little more than shrink, as a dead ReLU's weights do.
        """
        dead = candidates.copy()
        self._known = {
            unit: known for unit, known in self._known.items() if self._is_still_dead(unit, *known)
        }
        dead[list(self._known)] = False
        left, highest = np.flatnonzero(dead), np.full(len(dead), -np.inf)
        W1, derivative = self._net.params["W1"], ACTIVATIONS[self._net.activation].derivative
        # The mean is subtracted through the bias: (x - mean)·W1 + b1 = x·W1 + (b1 - mean·W1).
        columns, b1 = W1[:, left], self._net.params["b1"] - self._mean @ W1
        rows = np.empty((ROWS, self._X.shape[1]), self._net.dtype)
        for start in range(0, len(self._X), ROWS):
            if not left.size:
                break
            chunk = rows[: len(self._X) - start]
            np.copyto(chunk, self._X[start : start + ROWS], casting="same_kind")
            z1 = affine_forward(chunk, columns, b1[left])
            highest[left] = np.maximum(highest[left], z1.max(axis=0))
            alive = (np.abs(derivative(z1)) >= SATURATED).any(axis=0)
            if alive.any():
                dead[left[alive]] = False
                left = left[~alive]
                columns = W1[:, left]
        dead[list(self._known)] = True
        self._known |= {unit: (self._weights(unit), float(highest[unit])) for unit in left.tolist()}
        return dead

    def _is_still_dead(self, unit: int, then: Float[np.ndarray, " weights"], highest: float) -> bool:
        """Return whether a unit's pre-activations, which were at most ``highest``, are still far below 0.

        With w′ = s·w + r, s ≥ 0, the pre-activation x·w′ + b′ is s·(z - b) + b′ + x·r, which is at most
        s·(highest - b) + b′ + ‖x‖‖r‖.
        """
        now = self._weights(unit)
        square = then[:-1] @ then[:-1]
        s = max(0.0, now[:-1] @ then[:-1] / square) if square else 0.0
        rest = float(np.linalg.norm(now[:-1] - s * then[:-1]))
        return bool(s * (highest - then[-1]) + now[-1] + self._longest * rest < self._saturated_below)

    def _weights(self, unit: int) -> Float[np.ndarray, " weights"]:
        """Return a unit's weights and bias as one vector."""
        params = self._net.params
        return np.append(params["W1"][:, unit], params["b1"][unit]).astype(np.float64)

    @cached_property
    def _saturated_below(self) -> float:
        """The pre-activation below which every unit is saturated."""
        z = np.linspace(0, -20, 2001)
        saturated = np.abs(ACTIVATIONS[self._net.activation].derivative(z)) < SATURATED
        unsaturated = np.flatnonzero(~saturated)
        last = unsaturated[-1] if unsaturated.size else -1
        return float(z[last + 1]) if last + 1 < len(z) else -np.inf

    @cached_property
    def _longest(self) -> float:
        """An upper bound of the norm of an image minus the mean."""
        farthest = np.maximum(self._X.max() - self._mean, self._mean - self._X.min())
        return float(np.linalg.norm(farthest.astype(np.float64)))


def _relative_move(before: Float[np.ndarray, "..."], after: Float[np.ndarray, "..."]) -> float:
    return _norm(after - before) / (_norm(before) or 1.0)


def _norm(array: Float[np.ndarray, "..."]) -> float:
    return float(np.linalg.norm(array.ravel(order="K")))
