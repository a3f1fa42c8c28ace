r"""Stochastic gradient descent on the two-layer network: one fused training step, without allocations.

The mathematics is that of `handgrad.two_layer_net.trace_gradients`, line for line; what differs is that
no gradient of a parameter is ever stored. With the penalty's $4\,reg\,W$ (see `handgrad.layers`),

$$W \leftarrow W - lr\,(x^\top dz + 4\,reg\,W) = \beta W - lr\,x^\top dz, \qquad \beta = 1 - 4\,lr\,reg,$$

which is one GEMM that accumulates into $W$. A bias is a weight whose input is 1 and that has no penalty: its
update is the same GEMM with $\beta = 1$, and forward it is what the output holds before a GEMM adds to it.

With momentum the GEMM accumulates into the velocity. Classical (Polyak, "Some methods of speeding up the
convergence of iteration methods", 1964), with $g$ the whole gradient, penalty included:

$$v \leftarrow \mu v - lr\,g, \qquad W \leftarrow W + v.$$

Nesterov's takes $g$ at the point $W + \mu v$ to which the velocity is about to lead (Sutskever et al., "On
the importance of initialization and momentum in deep learning", ICML 2013, eq. 3 and 4). With that point as
the stored parameter (Bengio et al., "Advances in optimizing recurrent networks", 2012, §3.5) it becomes

$$v' = \mu v - lr\,g, \qquad W \leftarrow W - \mu v + (1 + \mu)\,v'.$$

Every product and every dot is SciPy's BLAS. NumPy brings a second one with threads of its own, and the two
take each other's cores as soon as they alternate.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer

from handgrad.activations import ActivationName
from handgrad.dropout import draw_dropout_mask, dropout_backward, dropout_forward
from handgrad.fused.activations import FUSED_ACTIVATIONS
from handgrad.fused.blas import add_scaled, multiply_add, scale, squared_norm
from handgrad.fused.softmax_cross_entropy import SoftmaxCrossEntropy
from handgrad.validation import check_choice, check_dtype, check_fraction, check_positive_int, check_real

__all__ = ["Sgd"]

# Hidden units from which float32, too, is faster with contiguous columns; measured in benchmarks/README.md.
WIDE = 768


class Sgd:
    """The training step with everything that it carries from one call to the next.

    The parameters, the velocity, ``steps`` and the state of ``rng`` are its whole state: two objects of
    the same options that agree in these go the same way to the last bit. Each is open to reading, and to
    writing in place (``sgd.velocity["W1"][...] = saved``).

    Attributes:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,); updated in place by every step.
        velocity: arrays of the same names and shapes, which start at zero; empty without momentum.
        steps: how many steps were taken.
        rng: where dropout's masks come from.
        mask: what the last step multiplied h1 by, (batch, H); None without dropout.
    """

    def __init__(
        self,
        params: Mapping[str, np.ndarray],
        batch: int,
        *,
        reg: float = 0.0,
        momentum: float = 0.0,
        nesterov: bool = False,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
        activation: ActivationName = "relu",
    ) -> None:
        """Copy the parameters and allocate all that a step needs.

        Args:
            params: W1, b1, W2, b2, of one dtype, float32 or float64.
            batch: rows of every minibatch, N.
            reg: strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²), not negative.
            momentum: the velocity's factor μ, in [0, 1); 0 for plain gradient descent.
            nesterov: take Nesterov's momentum instead of the classical one.
            dropout: probability, in [0, 1), with which a hidden unit's output is set to zero.
            rng: the source of dropout's masks; it must be given when there is dropout.
            activation: of the hidden layer, a name in `handgrad.activations`.

        Raises:
            TypeError: an argument is of the wrong kind.
            ValueError: an argument is out of its range, Nesterov's momentum has no momentum, there is
                dropout without an rng, or there is no such activation.
        """
        self.dtype = check_dtype(params["W1"].dtype)
        N = check_positive_int("batch", batch)
        self.reg = check_real("reg", reg, minimum=0)
        self.momentum = check_fraction("momentum", momentum)
        self.dropout = check_fraction("dropout", dropout)
        if nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        if self.dropout and rng is None:
            raise ValueError("dropout needs an rng, a numpy.random.Generator")
        self.nesterov = nesterov
        self.rng = rng
        self._activate = FUSED_ACTIVATIONS[check_choice("activation", activation, ActivationName)]
        self.steps = 0

        H, C = params["W2"].shape
        # The orders of W1 and of what the hidden layer holds that make the GEMMs over the features fastest.
        order: Literal["C", "F"] = "F" if self.dtype == np.float64 or H >= WIDE else "C"
        # A bias becomes one row of weights, so that all four are matrices to the BLAS.
        self._weights = {
            name: np.array(np.atleast_2d(q), self.dtype, order=order if name == "W1" else "C")
            for name, q in params.items()
        }
        self._velocity = {name: np.zeros_like(q) for name, q in self._weights.items() if self.momentum}
        self.params = {name: q.reshape(params[name].shape) for name, q in self._weights.items()}
        self.velocity = {name: v.reshape(params[name].shape) for name, v in self._velocity.items()}

        self._h1 = np.empty((N, H), self.dtype, order)
        self._dz1 = np.empty((N, H), self.dtype, order)
        self._slope = np.empty((N, H), self.dtype, order)
        self.mask = np.empty((N, H), self.dtype, order) if self.dropout else None
        self._output = SoftmaxCrossEntropy(1, C, N, self.dtype)
        self._scores = self._output.scores[0].T
        self._ones = np.ones((N, 1), self.dtype)

    def step(self, X: Float[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], learning_rate: float) -> float:
        """Forward, loss, backward, update: the parameters move by one step.

        Nothing is checked: a diverged network goes on with NaN, which the loss then shows.

        Args:
            X: a minibatch, C-contiguous, in the dtype of the parameters.
            y: its labels in [0, C), of dtype intp.
            learning_rate: the step's length.

        Returns:
            The loss of the minibatch before the update, penalty included.
        """
        W1, b1, W2, b2 = (self._weights[name] for name in ("W1", "b1", "W2", "b2"))
        h1, dz1, scores = self._h1, self._dz1, self._scores

        np.copyto(h1, b1)
        multiply_add(1, X, W1, 1, h1)
        with np.errstate(over="ignore", invalid="ignore"):
            self._activate(h1, self._slope, dz1)  # dz1 is scratch space until the backward pass
            if self.mask is not None and self.rng is not None:
                dropout_forward(h1, draw_dropout_mask(self.rng, self.dropout, self.mask), out=h1)
            np.copyto(scores, b2)
            multiply_add(1, h1, W2, 1, scores)
            loss = float(self._output.differentiate(y)[0])
        if self.reg:
            loss += 2 * self.reg * (squared_norm(W1) + squared_norm(W2))

        dscores = scores
        multiply_add(1, dscores, W2.T, 0, dz1)  # before W2 moves
        if self.mask is not None:
            dropout_backward(dz1, self.mask, out=dz1)
        np.multiply(dz1, self._slope, out=dz1)

        decay = 4 * self.reg * learning_rate
        self._descend("W2", h1, dscores, learning_rate, decay)
        self._descend("b2", self._ones, dscores, learning_rate, 0.0)
        self._descend("W1", X, dz1, learning_rate, decay)
        self._descend("b1", self._ones, dz1, learning_rate, 0.0)
        self.steps += 1
        return loss

    def _descend(
        self,
        name: str,
        x: Float[np.ndarray, "N I"],
        dz: Float[np.ndarray, "N O"],
        learning_rate: float,
        decay: float,
    ) -> None:
        """Move one parameter along ``-learning_rate·(xᵀ·dz) - decay·W``, as the module's head derives it."""
        W = self._weights[name]
        if not self.momentum:
            multiply_add(-learning_rate, x.T, dz, 1 - decay, W)
            return
        v = self._velocity[name]
        if not self.nesterov:
            multiply_add(-learning_rate, x.T, dz, self.momentum, v)
            if decay:
                add_scaled(-decay, W, v)
            add_scaled(1, v, W)
            return
        # W - momentum·v first, because no copy of the old velocity is kept; the penalty takes the old W.
        scale(self.momentum, v)
        if decay:
            add_scaled(-decay, W, v)
            scale(1 - decay, W)
        add_scaled(-1, v, W)
        multiply_add(-learning_rate, x.T, dz, 1, v)
        add_scaled(1 + self.momentum, v, W)
