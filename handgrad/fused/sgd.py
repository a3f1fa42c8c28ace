r"""Stochastic gradient descent on the two-layer network: one fused training step, without allocations.

The mathematics is the same as in `handgrad.two_layer_net.trace_gradients`, line for line, but the gradient of
a parameter is never stored. With the penalty's $4\,reg\,W$ (see `handgrad.layers`),

$$W \leftarrow W - lr\,(x^\top dz + 4\,reg\,W) = \beta W - lr\,x^\top dz, \qquad \beta = 1 - 4\,lr\,reg,$$

which is one GEMM that accumulates into $W$. A bias is a weight with input 1 and no penalty: its update is the
same GEMM with $\beta = 1$, and in the forward pass the output is filled with it before a GEMM adds the
product.

With momentum the GEMM accumulates into the velocity. Classical (Polyak, "Some methods of speeding up the
convergence of iteration methods", 1964), with $g$ the whole gradient, penalty included:

$$v \leftarrow \mu v - lr\,g, \qquad W \leftarrow W + v.$$

Nesterov's takes $g$ at the point $W + \mu v$ to which the velocity is about to lead (Sutskever et al., "On
the importance of initialization and momentum in deep learning", ICML 2013, eq. 3 and 4). With that point as
the stored parameter (Bengio et al., "Advances in optimizing recurrent networks", 2012, §3.5) it becomes

$$v' = \mu v - lr\,g, \qquad W \leftarrow W - \mu v + (1 + \mu)\,v'.$$

Matrix and dot products use SciPy's BLAS. NumPy has a second BLAS with its own threads; if calls alternate
between the two, their threads compete for the cores. Only on one thread may `choose_layout` take NumPy's.
"""

from collections.abc import Mapping
from contextvars import copy_context

import numpy as np
from jaxtyping import Float, Integer

from handgrad.activations import ActivationName
from handgrad.dropout import draw_dropout_mask, dropout_backward, dropout_forward
from handgrad.fused.activations import FUSED_ACTIVATIONS
from handgrad.fused.blas import Product, add_scaled, blas_in_use, dot, prepare_product, scale
from handgrad.fused.large_pages import large_pages
from handgrad.fused.layout import choose_layout
from handgrad.fused.products import forward_product, update_product
from handgrad.fused.softmax_cross_entropy import SoftmaxCrossEntropy
from handgrad.validation import check_choice, check_dtype, check_fraction, check_positive_int, check_real

__all__ = ["Sgd"]


class Sgd:
    """The training step, with its state.

    The parameters, the velocity, ``steps`` and the state of ``rng`` are the whole state: two objects with
    the same options and the same state take bitwise identical steps. All may be read, and written in place
    (``sgd.velocity["W1"][...] = saved``).

    Attributes:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,); updated in place by every step.
        velocity: arrays with the same names and shapes, which start at zero; empty without momentum.
        steps: number of steps taken.
        rng: source of dropout's masks.
        mask: dropout's mask on h1 in the last step, (batch, H); None without dropout.
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
        """Copy the parameters and allocate the memory for a step.

        Args:
            params: W1, b1, W2, b2, of one dtype, float32 or float64.
            batch: rows of every minibatch, N.
            reg: strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²), not negative.
            momentum: the velocity's factor μ, in [0, 1); 0 for plain gradient descent.
            nesterov: take Nesterov's momentum instead of the classical one.
            dropout: probability, in [0, 1), with which a hidden unit's output is set to zero.
            rng: source of dropout's masks; required with dropout.
            activation: the hidden layer's function, a name in `handgrad.activations`.

        Raises:
            TypeError: an argument is of the wrong kind.
            ValueError: an argument is out of its range, nesterov is set without momentum, dropout has no
                rng, or the activation is unknown.
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

        D, H = params["W1"].shape
        C = len(params["b2"])
        layout = choose_layout(N, D, H, self.dtype, blas_in_use())
        order = layout.order
        # A bias becomes one row of weights, so that all four are matrices for the BLAS.
        shapes = {name: np.atleast_2d(q).shape for name, q in params.items()}

        def allocate() -> dict[str, np.ndarray]:
            orders = {name: order if name == "W1" else "C" for name in shapes}
            return {name: large_pages(shape, self.dtype, orders[name]) for name, shape in shapes.items()}

        self._weights, self._velocity = allocate(), allocate() if self.momentum else {}
        for name, q in params.items():
            self._weights[name][...] = q
        for v in self._velocity.values():
            v.fill(0)
        self.params = {name: q.reshape(params[name].shape) for name, q in self._weights.items()}
        self.velocity = {name: v.reshape(params[name].shape) for name, v in self._velocity.items()}

        self._h1 = np.empty((N, H), self.dtype, order)
        self._dz1 = np.empty((N, H), self.dtype, order)
        self._slope = np.empty((N, H), self.dtype, order)
        self.mask = np.empty((N, H), self.dtype, order) if self.dropout else None
        self._output = SoftmaxCrossEntropy(1, C, N, self.dtype)
        self._scores = self._output.scores[0].T
        ones = np.ones((N, 1), self.dtype)
        # NumPy's settings of warnings belong to the context: entering one is faster than np.errstate.
        self._quiet = copy_context()
        self._quiet.run(np.seterr, all="ignore")

        self._penalized = [self._weights[name].ravel(order="K") for name in ("W1", "W2")]
        moved = self._velocity or self._weights
        W2, dscores = self._weights["W2"], self._scores  # the adjoints overwrite the scores
        self._prepare_forward = forward_product(layout.forward, self._weights["W1"], self._h1)
        self._prepare_update_W1 = update_product(layout.update, self._dz1, moved["W1"])
        self._minibatch: np.ndarray | None = None  # for which these two are prepared
        self._score = prepare_product(self._h1, W2, self._scores)
        self._propagate = prepare_product(dscores, W2.T, self._dz1)
        self._update_W2 = prepare_product(self._h1.T, dscores, moved["W2"])
        self._update_b1, self._update_b2 = (
            prepare_product(ones.T, dz, moved[name]) for name, dz in (("b1", self._dz1), ("b2", dscores))
        )

    def step(self, X: Float[np.ndarray, "N D"], y: Integer[np.ndarray, " N"], learning_rate: float) -> float:
        """Take one step: forward, loss, backward, update.

        Nothing is checked: a diverged network goes on with NaN, and its loss is NaN.

        Args:
            X: a minibatch, C-contiguous, in the dtype of the parameters.
            y: its labels in [0, C), of dtype intp.
            learning_rate: the learning rate.

        Returns:
            The loss of the minibatch before the update, penalty included.
        """
        if X is not self._minibatch:
            self._forward, self._update_W1 = self._prepare_forward(X), self._prepare_update_W1(X)
            self._minibatch = X

        np.copyto(self._h1, self._weights["b1"])
        self._forward(1, 1)
        (loss,) = self._quiet.run(self._differentiate_above_z1, y)
        if self.reg:
            W1, W2 = self._penalized
            loss += 2 * self.reg * (dot(W1, W1) + dot(W2, W2))

        dz1 = self._dz1
        self._propagate(1, 0)  # before W2 moves
        if self.mask is not None:
            dropout_backward(dz1, self.mask, out=dz1)
        np.multiply(dz1, self._slope, out=dz1)

        decay = 4 * self.reg * learning_rate
        self._descend("W2", self._update_W2, learning_rate, decay)
        self._descend("b2", self._update_b2, learning_rate, 0.0)
        self._descend("W1", self._update_W1, learning_rate, decay)
        self._descend("b1", self._update_b1, learning_rate, 0.0)
        self.steps += 1
        return loss

    def _differentiate_above_z1(self, y: Integer[np.ndarray, " N"]) -> list[float]:
        """Replace z1 by h1, compute its slope and the scores' adjoints, and return the loss of the data."""
        self._activate(self._h1, self._slope, self._dz1)  # dz1 is scratch space until the backward pass
        if self.mask is not None and self.rng is not None:
            dropout_forward(self._h1, draw_dropout_mask(self.rng, self.dropout, self.mask), out=self._h1)
        np.copyto(self._scores, self._weights["b2"])
        self._score(1, 1)
        return self._output.differentiate(y)

    def _descend(self, name: str, add_gradient: Product, learning_rate: float, decay: float) -> None:
        """Move one parameter along ``-learning_rate·g - decay·W``, as derived above.

        ``add_gradient(alpha, beta)`` computes ``moved ← alpha·g + beta·moved``, where g is the gradient of
        the data's loss, and moved the velocity, or the parameter if there is none.
        """
        if not self.momentum:
            add_gradient(-learning_rate, 1 - decay)
            return
        W, v = self._weights[name], self._velocity[name]
        if not self.nesterov:
            add_gradient(-learning_rate, self.momentum)
            if decay:
                add_scaled(-decay, W, v)
            add_scaled(1, v, W)
            return
        # Subtract momentum·v first, because the old velocity is not kept; the penalty needs the old W.
        scale(self.momentum, v)
        if decay:
            add_scaled(-decay, W, v)
            scale(1 - decay, W)
        add_scaled(-1, v, W)
        add_gradient(-learning_rate, 1)
        add_scaled(1 + self.momentum, v, W)
