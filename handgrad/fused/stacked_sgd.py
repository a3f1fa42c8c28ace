r"""The training step of many two-layer networks at once, on the same minibatches.

The first layers of $K$ networks, side by side, are one matrix $W_1 = [W_1^1 \dots W_1^K]$ with a column for
every hidden unit. One GEMM passes a minibatch through all networks, and one updates them all. Wide products
run closer to the machine's rate than narrow ones, and the minibatch is gathered only once. The computation
after the hidden layer is small, and is done for each network in its own block of columns.

Learning rate and penalty differ between networks, but the update's GEMM has only one factor. The learning
rate multiplies the columns of $dz_1$. The decay $\beta = 1 - 4\,lr\,reg$ of `fused.sgd` would multiply the
columns of $W_1$, a pass over the largest array; instead each network's weights have a scalar factor $s$.
With $W = sV$,

$$W' = \beta W - lr\,x^\top dz \iff s' = \beta s, \quad V' = V - x^\top \left(\tfrac{lr}{s'}\,dz\right),
\qquad z = s\,(xV) + b,$$

so that only small arrays are multiplied. Once $s$ is small, or not positive, it moves into $V$ and becomes 1.

In exact arithmetic these are the steps of `fused.sgd.Sgd` on each network alone. The columns of a product are
independent, so a network that diverges does not affect the others.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float, Integer

from handgrad.activations import ActivationName
from handgrad.fused.activations import FUSED_ACTIVATIONS
from handgrad.fused.blas import multiply_add, scale, squared_norm
from handgrad.fused.softmax_cross_entropy import SoftmaxCrossEntropy
from handgrad.validation import check_dtype, check_positive_int

__all__ = ["StackedSgd"]

# Below this, s moves into V.
SMALL = 2.0**-8


class StackedSgd:
    """Plain gradient descent on several networks with the same dtype, D and C.

    Attributes:
        count: number of networks that still take steps.
    """

    def __init__(
        self,
        networks: Sequence[Mapping[str, np.ndarray]],
        batch: int,
        *,
        regs: Sequence[float],
        activations: Sequence[ActivationName],
    ) -> None:
        """Copy the parameters and allocate the memory for a step.

        Args:
            networks: W1, b1, W2, b2 of each network.
            batch: rows of every minibatch, N.
            regs: strength of each network's penalty 2·reg·(‖W1‖² + ‖W2‖²), not negative.
            activations: each network's activation function.
        """
        self.dtype = check_dtype(networks[0]["W1"].dtype)
        N = check_positive_int("batch", batch)
        C = len(networks[0]["b2"])
        self._regs = list(regs)
        self._activations = list(activations)
        self._scales = [1.0] * len(networks)
        ends = np.cumsum([len(params["b1"]) for params in networks])
        self._blocks = [
            slice(end - len(params["b1"]), end) for end, params in zip(ends, networks, strict=True)
        ]
        # Columns are contiguous, so for the BLAS a network's block is a matrix, and so are the first
        # networks' blocks together.
        self._V1 = np.asfortranarray(np.hstack([params["W1"] for params in networks]))
        self._b1 = np.hstack([params["b1"] for params in networks])
        self._W2 = np.vstack([params["W2"] for params in networks])
        self._b2 = np.array([params["b2"] for params in networks])
        self._h1, self._dz1, self._slope = (np.empty((N, ends[-1]), self.dtype, "F") for _ in range(3))
        self._output = SoftmaxCrossEntropy(len(networks), C, N, self.dtype)
        self.keep(len(networks))

    def keep(self, count: int) -> None:
        """Go on with only the first ``count`` networks, at least one."""
        self.count = count
        units = self._blocks[count - 1].stop
        self._V1, self._h1, self._dz1 = self._V1[:, :units], self._h1[:, :units], self._dz1[:, :units]
        self._slope, self._b1 = self._slope[:, :units], self._b1[:units]
        self._W2, self._b2 = self._W2[:units], self._b2[:count]
        self._output.keep(count)
        # Adjacent networks with the same activation form one block.
        self._alike = []
        for name, group in groupby(range(count), key=self._activations.__getitem__):
            numbers = list(group)
            units = slice(self._blocks[numbers[0]].start, self._blocks[numbers[-1]].stop)
            self._alike.append((name, units))
        self._owner = np.repeat(
            np.arange(count), [block.stop - block.start for block in self._blocks[:count]]
        )

    def params(self, number: int) -> dict[str, np.ndarray]:
        """Return a copy of a network's parameters: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,)."""
        block = self._blocks[number]
        W1 = self._V1[:, block] * self.dtype.type(self._scales[number])
        return {
            "W1": W1,
            "b1": self._b1[block].copy(),
            "W2": self._W2[block].copy(),
            "b2": self._b2[number].copy(),
        }

    def penalty(self, number: int) -> float:
        """Return a network's penalty, 2·reg·(‖W1‖² + ‖W2‖²)."""
        block = self._blocks[number]
        norm = self._scales[number] ** 2 * squared_norm(self._V1[:, block]) + squared_norm(self._W2[block])
        return 2 * self._regs[number] * norm

    def step(
        self,
        X: Float[np.ndarray, "N D"],
        y: Integer[np.ndarray, " N"],
        learning_rates: Sequence[float],
    ) -> Float[np.ndarray, " K"]:
        """Take one step with every network: forward, loss, backward, update.

        Nothing is checked, as in `handgrad.fused.sgd.Sgd.step`.

        Args:
            X: a minibatch, C-contiguous, in the dtype of the parameters.
            y: its labels in [0, C), of dtype intp.
            learning_rates: each network's learning rate.

        Returns:
            Each network's loss of the minibatch before the update, without the penalty.
        """
        h1, dz1, scores, blocks = self._h1, self._dz1, self._output.scores, self._blocks[: self.count]

        multiply_add(1, X, self._V1, 0, h1)
        h1 *= self._by_unit(self._scales)
        h1 += self._b1
        with np.errstate(over="ignore", invalid="ignore"):
            for name, units in self._alike:
                # dz1 is scratch space until the backward pass.
                FUSED_ACTIVATIONS[name](h1[:, units], self._slope[:, units], dz1[:, units])
            np.copyto(scores, self._b2[:, :, None])
            for network, block in enumerate(blocks):
                multiply_add(1, h1[:, block], self._W2[block], 1, scores[network].T)
            losses = self._output.differentiate(y)

        dscores = scores
        for network, (block, learning_rate) in enumerate(zip(blocks, learning_rates, strict=True)):
            W2, decay = self._W2[block], 4 * self._regs[network] * learning_rate
            multiply_add(1, dscores[network].T, W2.T, 0, dz1[:, block])  # before W2 moves
            multiply_add(-learning_rate, h1[:, block].T, dscores[network].T, 1 - decay, W2)
            self._decay(network, 1 - decay)
        dz1 *= self._slope

        rates = np.array(learning_rates[: self.count])
        self._b2 -= rates.astype(self.dtype)[:, None] * dscores.sum(axis=2)
        self._b1 -= self._by_unit(rates) * dz1.sum(axis=0)
        dz1 *= self._by_unit(rates / self._scales[: self.count])
        multiply_add(-1, X.T, dz1, 1, self._V1)
        return np.array(losses, self.dtype)

    def _decay(self, network: int, factor: float) -> None:
        """Compute ``W1 ← factor·W1`` for one network."""
        self._scales[network] *= factor
        if not self._scales[network] >= SMALL:
            scale(self._scales[network], self._V1[:, self._blocks[network]])
            self._scales[network] = 1.0

    def _by_unit(self, numbers: Sequence[float] | Float[np.ndarray, " K"]) -> Float[np.ndarray, " units"]:
        """Repeat each network's number for each of its hidden units."""
        return np.asarray(numbers[: self.count], self.dtype)[self._owner]
