r"""A batch in shards: each of K machines computes a part of the gradient, and the parts are combined.

Sample $n$ adds $\ell_n$ to the loss, the penalty $R$ depends on the weights alone:

$$L = \frac1N \sum_{n=1}^{N} \ell_n + R, \qquad R = 2\,reg\,(\lVert W_1 \rVert^2 + \lVert W_2 \rVert^2).$$

Let the shards $S_1, \dots, S_K$ hold every sample once, $N_k$ samples in $S_k$. A machine that sees $S_k$
alone computes the mean over its own samples, $L_k = \frac1{N_k} \sum_{n \in S_k} \ell_n$. The sum over $n$ is
the sum over the shards of their sums, and $\sum_{n \in S_k} \ell_n = N_k L_k$; therefore

$$L = \sum_{k=1}^{K} \frac{N_k}{N} L_k + R.$$

The derivative with respect to any parameter $q$ is linear, and the weights $N_k/N$ do not depend on $q$:

$$dq = \sum_{k=1}^{K} \frac{N_k}{N}\, dq_k + \frac{\partial R}{\partial q}, \qquad
\frac{\partial R}{\partial W} = 4\,reg\,W.$$

- Only for even shards, $N_k = N/K$, is that the plain mean of the $dq_k$.
- An empty shard has weight 0: it adds nothing, whatever its machine answers.
- $R$ is not a sum over samples: it is added once, after the shards. Were each machine to add it to its
  $\frac{N_k}{N} L_k$, it would count $K$ times.
- Nothing else is exchanged: the scores, $dh_1$ and $dz_1$ of a sample stay with its machine, and what travels
  has the size of the parameters, whatever $N$ is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Integer

from handgrad.activations import ActivationName
from handgrad.layers import l2_penalty_backward, l2_penalty_forward
from handgrad.trace import PARAMETERS, WEIGHTS
from handgrad.two_layer_net import trace_gradients
from handgrad.validation import check_positive_int

__all__ = ["Shard", "combine_shards", "shard_gradients", "split_rows"]


@dataclass(frozen=True)
class Shard:
    """The loss and the gradient of one shard.

    Attributes:
        rows: its number of samples N_k.
        loss: the mean of their losses, without the penalty; meaningless without samples.
        grads: dW1 (D, H), db1 (H,), dW2 (H, C), db2 (C,) of that mean, under the parameters' names.
    """

    rows: int
    loss: np.floating
    grads: dict[str, np.ndarray]


def split_rows(N: int, shards: int) -> list[slice]:
    """Return a slice of consecutive rows for each shard; their lengths differ by at most one.

    With fewer samples N than shards, the last shards are empty.

    Raises:
        TypeError: one of the numbers is not an integer.
        ValueError: one of the numbers is below 1.
    """
    each, more = divmod(check_positive_int("N", N), check_positive_int("shards", shards))
    ends = [k * each + min(k, more) for k in range(shards + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def shard_gradients(
    params: Mapping[str, np.ndarray],
    X: Float[np.ndarray, "N_k D"],
    y: Integer[np.ndarray, " N_k"],
    activation: ActivationName = "relu",
) -> Shard:
    """Return one machine's part: the loss and the gradient of its own samples, without the penalty.

    Args:
        params: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,), in the dtype of X, which the result has too.
        X: the shard's inputs; it may have no rows.
        y: their labels in [0, C).
        activation: the hidden layer's activation function.
    """
    if len(y) == 0:
        zeros = {name: np.zeros_like(params[name]) for name in PARAMETERS}
        return Shard(0, X.dtype.type(0), zeros)
    trace = trace_gradients(params, X, y, 0.0, activation)
    return Shard(len(y), trace.loss, trace.grads)


def combine_shards(
    shards: Sequence[Shard], params: Mapping[str, np.ndarray], reg: float
) -> tuple[np.floating, dict[str, np.ndarray]]:
    """Return loss and gradient of the whole batch: the shards weighted by N_k/N, plus the penalty once.

    Args:
        shards: the parts; together they hold every sample once, in any order.
        params: W1, b1, W2, b2, with which the parts were computed.
        reg: strength of the penalty 2·reg·(‖W1‖² + ‖W2‖²).

    Returns:
        ``(loss, grads)`` of the whole batch, as `TwoLayerNet.loss` gives them.

    Raises:
        ValueError: none of the shards has a sample.
    """
    N = sum(shard.rows for shard in shards)
    if N == 0:
        raise ValueError("none of the shards has a sample")
    real = params["W1"].dtype.type
    parts = [(real(shard.rows / N), shard) for shard in shards if shard.rows]
    loss = sum(weight * shard.loss for weight, shard in parts)
    grads = {name: sum(weight * shard.grads[name] for weight, shard in parts) for name in PARAMETERS}
    for name in WEIGHTS:
        loss = loss + l2_penalty_forward(params[name], reg)
        grads[name] = grads[name] + l2_penalty_backward(params[name], reg)
    return real(loss), grads
