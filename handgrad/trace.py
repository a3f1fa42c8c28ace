"""The named quantities of one forward and backward pass, in the order of computation, and their values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

__all__ = ["BIASES", "PARAMETERS", "WEIGHTS", "Trace", "adjoint_of", "layer_of", "quantity_of"]

PARAMETERS = ("W1", "b1", "W2", "b2")
WEIGHTS, BIASES = ("W1", "W2"), ("b1", "b2")


@dataclass(frozen=True, eq=False)
class Trace(Mapping[str, Any]):
    """Every quantity of one pass, in the order of use and computation; ``trace["z1"]`` is ``trace.z1``.

    Attributes:
        z1: pre-activations X·W1 + b1.
        h1: outputs of the hidden layer, the activation of z1.
        scores: h1·W2 + b2.
        probs: softmax of the scores along the classes.
        loss: mean cross-entropy of the batch plus the penalty.
        dscores: ∂loss/∂scores; likewise every ``dq`` after it, in the shape of ``q``. dW2 and dW1 include the
            penalty.
    """

    X: Float[np.ndarray, "N D"]
    y: Integer[np.ndarray, " N"]
    W1: Float[np.ndarray, "D H"]
    b1: Float[np.ndarray, " H"]
    z1: Float[np.ndarray, "N H"]
    h1: Float[np.ndarray, "N H"]
    W2: Float[np.ndarray, "H C"]
    b2: Float[np.ndarray, " C"]
    scores: Float[np.ndarray, "N C"]
    probs: Float[np.ndarray, "N C"]
    loss: np.floating
    dscores: Float[np.ndarray, "N C"]
    dW2: Float[np.ndarray, "H C"]  # noqa: N815
    db2: Float[np.ndarray, " C"]
    dh1: Float[np.ndarray, "N H"]
    dz1: Float[np.ndarray, "N H"]
    dW1: Float[np.ndarray, "D H"]  # noqa: N815
    db1: Float[np.ndarray, " H"]

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradient: the adjoint of each parameter, under the names W1, b1, W2, b2."""
        return {name: self[adjoint_of(name)] for name in PARAMETERS}

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)


def adjoint_of(quantity: str) -> str:
    """Return the name of a quantity's adjoint: "dW1" for "W1"."""
    return f"d{quantity}"


def quantity_of(adjoint: str) -> str:
    """Return the name of the quantity that an adjoint belongs to: "W1" for "dW1"."""
    return adjoint.removeprefix("d")


def layer_of(name: str) -> int:
    """Return the layer of a parameter, a hidden quantity or an adjoint: 1 for "W1", "z1", "dz1"."""
    if name[-1] not in "12":
        raise ValueError(f"{name} does not belong to one layer")
    return int(name[-1])
