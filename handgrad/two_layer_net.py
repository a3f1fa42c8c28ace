"""The two-layer network: affine → activation → affine → softmax cross-entropy, every gradient by hand."""

from collections.abc import Mapping
from typing import overload

import numpy as np
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike, DTypeLike

from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.data.minibatches import Minibatch
from handgrad.fused.sgd import Sgd
from handgrad.layers import (
    affine_backward,
    affine_backward_params,
    affine_forward,
    l2_penalty_backward,
    l2_penalty_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from handgrad.trace import PARAMETERS, Trace
from handgrad.validation import (
    check_choice,
    check_dtype,
    check_inputs,
    check_labels,
    check_matrix,
    check_positive_int,
    check_real,
)

__all__ = ["PARAMETERS", "Rng", "TwoLayerNet", "trace_gradients"]

Rng = int | np.random.Generator | np.random.RandomState | None

# Number of rows that `predict` takes at a time: enough to fill a GEMM, few enough to bound the memory.
PREDICT_ROWS = 1024


def trace_gradients(
    params: Mapping[str, np.ndarray],
    X: Float[np.ndarray, "N D"],
    y: Integer[np.ndarray, " N"],
    reg: float,
    activation: ActivationName = "relu",
) -> Trace:
    """Return the loss and its gradient, with every quantity on the way, in the order of computation.

    Args:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,), in the dtype of X.
        X: inputs.
        y: labels in [0, C).
        reg: strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²).
        activation: the hidden layer's function, a name in `handgrad.activations`.
    """
    W1, b1, W2, b2 = (params[name] for name in PARAMETERS)
    activate, derivative = ACTIVATIONS[activation]

    z1 = affine_forward(X, W1, b1)
    h1 = activate(z1)
    scores = affine_forward(h1, W2, b2)
    data_loss, probs = softmax_cross_entropy_forward(scores, y)
    loss = data_loss + l2_penalty_forward(W1, reg) + l2_penalty_forward(W2, reg)

    dscores = softmax_cross_entropy_backward(probs, y)
    dh1, dW2, db2 = affine_backward(dscores, h1, W2)
    dW2 += l2_penalty_backward(W2, reg)
    dz1 = dh1 * derivative(z1)
    dW1, db1 = affine_backward_params(dz1, X)  # dX is not needed
    dW1 += l2_penalty_backward(W1, reg)

    return Trace(X, y, W1, b1, z1, h1, W2, b2, scores, probs, loss, dscores, dW2, db2, dh1, dz1, dW1, db1)


class TwoLayerNet:
    """A classifier with one hidden layer, trained by stochastic gradient descent.

    Attributes:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,), in ``dtype``. A caller may replace any of them.
        dtype: float32 or float64; every result has it.
        activation: the hidden layer's function, a name in `handgrad.activations`.
        rng: source of the initial weights and of the minibatches.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        std: float = 1e-4,
        *,
        activation: ActivationName = "relu",
        dtype: DTypeLike = np.float64,
        rng: Rng = None,
    ) -> None:
        """Draw W1, then W2, as ``std * rng.standard_normal(shape)``; the biases are zero.

        Args:
            input_size: features D.
            hidden_size: hidden units H.
            output_size: classes C.
            std: standard deviation of the initial weights.
            activation: the hidden layer's function: relu, leaky_relu, sigmoid, tanh, elu, gelu, gelu_tanh,
                silu or softplus.
            dtype: float32 or float64.
            rng: a Generator, a RandomState, a seed for a new Generator, or None for an unseeded one.

        Raises:
            TypeError: an argument is of the wrong kind.
            ValueError: a size is below 1, std is negative or not finite, or the activation is unknown.
        """
        D = check_positive_int("input_size", input_size)
        H = check_positive_int("hidden_size", hidden_size)
        C = check_positive_int("output_size", output_size)
        std = check_real("std", std, minimum=0.0)
        self.activation = check_choice("activation", activation, ActivationName)
        self.dtype = check_dtype(dtype)
        self._shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
        self.rng = rng if isinstance(rng, np.random.RandomState) else np.random.default_rng(rng)
        W1 = std * self.rng.standard_normal((D, H))
        W2 = std * self.rng.standard_normal((H, C))
        self.params: dict[str, np.ndarray] = {
            "W1": W1.astype(self.dtype),
            "b1": np.zeros(H, self.dtype),
            "W2": W2.astype(self.dtype),
            "b2": np.zeros(C, self.dtype),
        }

    def __repr__(self) -> str:
        (D, H), (_, C) = self._shapes["W1"], self._shapes["W2"]
        sizes = f"input_size={D}, hidden_size={H}, output_size={C}"
        return f"{type(self).__name__}({sizes}, activation={self.activation!r}, dtype={self.dtype.name})"

    @overload
    def loss(self, X: ArrayLike, y: None = None, reg: float = 0.0) -> Float[np.ndarray, "N C"]: ...
    @overload
    def loss(
        self, X: ArrayLike, y: ArrayLike, reg: float = 0.0
    ) -> tuple[np.floating, dict[str, np.ndarray]]: ...

    def loss(
        self, X: ArrayLike, y: ArrayLike | None = None, reg: float = 0.0
    ) -> Float[np.ndarray, "N C"] | tuple[np.floating, dict[str, np.ndarray]]:
        """Return the scores, or the loss and its gradient.

        Args:
            X: inputs (N, D); integers are converted to the network's dtype.
            y: integer labels (N,) in [0, C), or None.
            reg: strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²), not negative.

        Returns:
            The scores (N, C) when ``y`` is None; else ``(loss, grads)``, a scalar and a dict with the
            keys and shapes of ``params``.

        Raises:
            TypeError: an argument does not hold numbers of the right kind.
            ValueError: a shape does not fit, the batch is empty, X is not finite, a label is out of
                range, or reg is negative or not finite.
        """
        if y is None:
            return self._scores(self._checked_inputs(X), self._checked_params())
        trace = self.trace(X, y, reg)
        return trace.loss, trace.grads

    def trace(self, X: ArrayLike, y: ArrayLike, reg: float = 0.0) -> Trace:
        """Return every quantity of one forward and backward pass, by name, in the order of computation.

        ``trace["z1"]`` and ``trace.z1`` are the same; ``X`` and the parameters are not copies. Arguments and
        errors: see `loss`.
        """
        inputs = self._checked_inputs(X)
        labels = check_labels("y", y, len(inputs), self._shapes["b2"][0])
        reg = check_real("reg", reg, minimum=0.0)
        return trace_gradients(self._checked_params(), inputs, labels, reg, self.activation)

    def predict(self, X: ArrayLike, *, mean: ArrayLike | None = None) -> Integer[np.ndarray, " N"]:
        """Return the class with the highest score for each row, in bounded memory for any number of rows.

        Args:
            X: inputs (N, D).
            mean: vector (D,) to subtract from every row, as `train` does; None for zero.

        Raises:
            TypeError, ValueError: as for `loss`.
        """
        rows = check_matrix("X", X, self._shapes["W1"][0])
        params = self._checked_params()
        offset = 0 if mean is None else self._checked_mean(mean)
        chunks = (
            self._checked_inputs(rows[start : start + PREDICT_ROWS]) - offset
            for start in range(0, len(rows), PREDICT_ROWS)
        )
        return np.concatenate([self._scores(chunk, params).argmax(axis=1) for chunk in chunks])

    def train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike,
        y_val: ArrayLike,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.95,
        reg: float = 5e-6,
        num_iters: int = 100,
        batch_size: int = 200,
        verbose: bool = False,
        *,
        mean: ArrayLike | None = None,
    ) -> dict[str, list[float]]:
        """Train by minibatch SGD. Batches are drawn with replacement, ``rng.choice(num_train, batch_size)``.

        X may hold bytes: each batch is converted, and the mean subtracted, when it is used.
        ``params`` are new arrays afterwards; the old arrays are unchanged.

        Args:
            X: training inputs (N, D).
            y: training labels (N,).
            X_val: validation inputs.
            y_val: validation labels.
            learning_rate: initial learning rate.
            learning_rate_decay: factor on the learning rate at the end of every epoch, which is
                ``max(N // batch_size, 1)`` steps.
            reg: strength of the penalty.
            num_iters: number of steps.
            batch_size: rows of a minibatch.
            verbose: print a line every 100 steps.
            mean: vector (D,) to subtract from every row of X and of X_val; None for zero.

        Returns:
            ``loss_history``, the minibatch's loss before each step, penalty included; and, for each
            whole epoch, ``train_acc_history``, the accuracy on its last minibatch, and
            ``val_acc_history``, the accuracy on all of X_val.

        Raises:
            TypeError, ValueError: as for `loss`.
        """
        inputs, labels = self._checked_data("X", X, "y", y)
        val_inputs, val_labels = self._checked_data("X_val", X_val, "y_val", y_val)
        learning_rate = check_real("learning_rate", learning_rate)
        learning_rate_decay = check_real("learning_rate_decay", learning_rate_decay)
        num_iters = check_positive_int("num_iters", num_iters)
        batch_size = check_positive_int("batch_size", batch_size)
        offset = None if mean is None else self._checked_mean(mean)

        sgd = Sgd(self._checked_params(), batch_size, reg=reg, activation=self.activation)
        self.params = dict(sgd.params)
        minibatch = Minibatch(inputs, labels, batch_size, self.dtype, mean=offset)
        steps_per_epoch = max(len(inputs) // batch_size, 1)

        losses: list[float] = []
        train_accuracies: list[float] = []
        val_accuracies: list[float] = []
        for step in range(num_iters):
            minibatch.gather(self.rng.choice(len(inputs), batch_size))
            rate = learning_rate * learning_rate_decay ** (step // steps_per_epoch)
            loss = sgd.step(minibatch.X, minibatch.y, rate)
            losses.append(loss)
            if verbose and (step + 1) % 100 == 0:
                print(f"step {step + 1} of {num_iters}: loss {loss:.6f}")
            if (step + 1) % steps_per_epoch == 0:
                right = self.predict(minibatch.X) == minibatch.y
                val_right = self.predict(val_inputs, mean=offset) == val_labels
                train_accuracies.append(float(np.mean(right)))
                val_accuracies.append(float(np.mean(val_right)))
        return {
            "loss_history": losses,
            "train_acc_history": train_accuracies,
            "val_acc_history": val_accuracies,
        }

    def _scores(
        self, X: Float[np.ndarray, "N D"], params: Mapping[str, np.ndarray]
    ) -> Float[np.ndarray, "N C"]:
        h1 = ACTIVATIONS[self.activation].forward(affine_forward(X, params["W1"], params["b1"]))
        return affine_forward(h1, params["W2"], params["b2"])

    def _checked_inputs(self, X: ArrayLike) -> Float[np.ndarray, "N D"]:
        return check_inputs("X", X, self._shapes["W1"][0], self.dtype)

    def _checked_mean(self, mean: ArrayLike) -> Float[np.ndarray, " D"]:
        vector, D = np.asarray(mean), self._shapes["W1"][0]
        if vector.shape != (D,):
            raise ValueError(f"mean must have shape ({D},), not {vector.shape}")
        return check_inputs("mean", vector[None], D, self.dtype)[0]

    def _checked_data(
        self, X_name: str, X: ArrayLike, y_name: str, y: ArrayLike
    ) -> tuple[np.ndarray, Integer[np.ndarray, " N"]]:
        """Return a checked data set; bytes stay bytes, because each batch is converted when it is used."""
        D, C = self._shapes["W1"][0], self._shapes["b2"][0]
        inputs = check_matrix(X_name, X, D)
        if inputs.dtype.kind == "f":
            inputs = check_inputs(X_name, inputs, D, self.dtype)
        return inputs, check_labels(y_name, y, len(inputs), C)

    def _checked_params(self) -> dict[str, np.ndarray]:
        """Return the parameters in the network's dtype; an error names the one that does not fit."""
        if set(self.params) != set(PARAMETERS):
            raise ValueError(f"params must have the keys W1, b1, W2, b2, not {sorted(self.params)}")
        checked = {}
        for name, shape in self._shapes.items():
            value = np.asarray(self.params[name])
            if value.dtype.kind not in "iuf":
                raise TypeError(f"params[{name!r}] must hold real numbers, not dtype {value.dtype}")
            if value.shape != shape:
                raise ValueError(f"params[{name!r}] must have shape {shape}, not {value.shape}")
            checked[name] = value.astype(self.dtype, copy=False)
        return checked
