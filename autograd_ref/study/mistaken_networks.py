"""Every mistake of the checker's catalogue, made in a network and put before the checker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_ref.crosscheck.mistakes.catalogue import CATALOGUE, log_epsilon
from autograd_ref.crosscheck.mistakes.replay import (
    LOCAL,
    UPSTREAM,
    Mistake,
    local_gradient,
    replay,
)
from autograd_ref.crosscheck.network.check import check_network
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.report import Report
from handgrad.objective import PENALTY
from handgrad.two_layer_net import PARAMETERS

__all__ = ["Broken", "break_it", "mistakes"]


@dataclass(frozen=True)
class Broken:
    """A network with one mistake, as the checker sees it.

    Attributes:
        mistake: of the catalogue.
        whole: the report on the loss and the gradient it returns, as of any network.
        stages: the report on a network that shows its trace as well, where it has one of the right shapes.
    """

    mistake: Mistake
    whole: Report
    stages: Report | None


def mistakes() -> list[Mistake]:
    """Those of the catalogue that a network with a ReLU can have, one of each kind, in its order."""
    kinds: dict[str, Mistake] = {}
    for mistake in (*CATALOGUE, log_epsilon(1e-8)):
        if "relu" in mistake.activations:
            kinds.setdefault(mistake.id, mistake)
    return list(kinds.values())


def break_it(mistake: Mistake) -> Broken:
    """Make a mistake and check the network that has it.

    Args:
        mistake: of the catalogue.

    Returns:
        What the checker says.
    """
    # A penalty's gradient that is missing from the biases is only a mistake where the loss penalises them.
    penalised = PARAMETERS if mistake.id == "reg-bias-in-loss-only" else tuple(PENALTY)
    coefficients = {q: 2.0 if q in penalised else 0.0 for q in PARAMETERS}
    whole = check_network(_network(mistake, coefficients), name=mistake.id)
    stages = check_network(_network(mistake, coefficients, traced=True), name=mistake.id)
    return Broken(mistake, whole, stages if len(stages.quantities) > len(whole.quantities) else None)


def _network(mistake: Mistake, coefficients: Mapping[str, float], *, traced: bool = False) -> type:
    """A class in the form that the checker takes, whose loss and gradient have the mistake."""

    class Network:
        def __init__(self, input_size: int, hidden_size: int, output_size: int, std: float) -> None:
            self.params = {
                "W1": np.zeros((input_size, hidden_size)),
                "b1": np.zeros(hidden_size),
                "W2": np.zeros((hidden_size, output_size)),
                "b2": np.zeros(output_size),
            }

        def loss(self, X: Any, y: Any = None, reg: float = 0.0) -> Any:
            if y is None:
                return self._trace(X, np.zeros(len(X), int), reg)["scores"]
            trace = self._trace(X, y, reg)
            return trace["loss"], {name: trace[f"d{name}"] for name in PARAMETERS}

        def _trace(self, X: Any, y: Any, reg: float) -> dict[str, Any]:
            return _computed(mistake, Problem(mistake.id, self.params, X, y, reg, penalty=coefficients))

    if not traced:
        return Network
    return type("Traced", (Network,), {"trace": Network._trace})


def _computed(mistake: Mistake, problem: Problem) -> dict[str, Any]:
    """Every quantity, as code with the mistake computes it."""
    v = replay(problem, (mistake,) if mistake.step in UPSTREAM else ())
    if mistake.step == "loss":
        v.loss = mistake.replacement(v)
    gradients = {}
    for name in PARAMETERS:
        tensor = f"d{name}"
        made = (mistake,) if mistake.step in LOCAL and tensor in mistake.tensors else ()
        gradients[tensor] = local_gradient(tensor, v, problem, made)
    return {**vars(v), **gradients}
