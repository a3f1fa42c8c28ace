"""The objective of training, apart from the data: the hidden layer's function and the penalty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from handgrad.activations import ActivationName

__all__ = ["PENALTY", "Objective"]

# The c in each parameter's penalty c·reg·‖q‖²: together 2·reg·(‖W1‖² + ‖W2‖²). Biases have no penalty.
PENALTY: Mapping[str, float] = MappingProxyType({"W1": 2.0, "W2": 2.0})


@dataclass(frozen=True)
class Objective:
    """The mean cross-entropy of a two-layer network plus Σ c·reg·‖q‖² over its penalised parameters.

    Attributes:
        reg: strength of the penalty, not negative.
        penalty: c by parameter; a missing parameter has no penalty. This project's own network always uses
            `PENALTY`; other networks may differ.
        activation: the hidden layer's function, a name in `handgrad.activations`.
    """

    reg: float = 0.0
    penalty: Mapping[str, float] = field(default_factory=lambda: PENALTY, hash=False)
    activation: ActivationName = "relu"

    def coefficient(self, parameter: str) -> float:
        """Return the coefficient c of a parameter's penalty; 0 if it has none."""
        return self.penalty.get(parameter, 0.0)
