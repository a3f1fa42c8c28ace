"""The work of one gradient: counted by hand, line by line of the derivation, and by XLA's cost analysis."""

from typing import NamedTuple

import numpy as np

from benchmarks.speed.cases import Case
from benchmarks.speed.schema import Work


class Operation(NamedTuple):
    """One line of `handgrad.two_layer_net.trace_gradients`.

    Attributes:
        line: what it computes.
        flops: an exponential, a logarithm, a comparison and a division count as one each.
        numbers: that it reads and writes, each array once.
    """

    line: str
    flops: int
    numbers: int


def operations(N: int, D: int, H: int, C: int) -> list[Operation]:
    """The hand derivation's own operations, in its order."""
    weights = D * H + H * C
    return [
        Operation("z1 = X·W1 + b1", 2 * N * D * H + N * H, N * D + D * H + H + N * H),
        Operation("h1 = max(z1, 0)", N * H, 2 * N * H),
        Operation("scores = h1·W2 + b2", 2 * N * H * C + N * C, N * H + H * C + C + N * C),
        Operation("probs = softmax(scores), log-sum-exp", 5 * N * C + 3 * N, 2 * N * C + N),
        Operation("2·reg·(‖W1‖² + ‖W2‖²)", 2 * weights, weights),
        Operation("dscores = (probs − onehot) / N", N * C + N, 2 * N * C),
        Operation("dW2 = h1ᵀ·dscores", 2 * N * H * C, N * H + N * C + H * C),
        Operation("db2 = Σ dscores", N * C, N * C + C),
        Operation("dh1 = dscores·W2ᵀ", 2 * N * H * C, N * C + H * C + N * H),
        Operation("dz1 = dh1 where z1 > 0", 2 * N * H, 3 * N * H),
        Operation("dW1 = Xᵀ·dz1", 2 * N * D * H, N * D + N * H + D * H),
        Operation("db1 = Σ dz1", N * H, N * H + H),
        Operation("dW += 4·reg·W", 2 * weights, 3 * weights),
    ]


def gemm_flops(case: Case) -> int:
    """Floating-point operations of the five products of a gradient, or of a step."""
    D, H, C, N = case.features, case.hidden, case.classes, case.batch_size
    return 2 * N * (2 * D * H + 3 * H * C)


def gather_bytes(case: Case) -> int:
    """What the gather of a minibatch reads and writes."""
    return 2 * case.batch_size * case.features * np.dtype(case.dtype).itemsize


def count_work(case: Case) -> Work:
    """Both counts; compiles JAX's gradient for that, on this process's CPUs."""
    import jax

    from autograd_ref.two_layer_net import loss, precision

    D, H, C, N = case.features, case.hidden, case.classes, case.batch_size
    itemsize = np.dtype(case.dtype).itemsize
    found = operations(N, D, H, C)
    parameters = D * H + H + H * C + C
    with precision(case.dtype):
        shapes = {"W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
        params = {name: jax.ShapeDtypeStruct(shape, case.dtype) for name, shape in shapes.items()}
        X, y = jax.ShapeDtypeStruct((N, D), case.dtype), jax.ShapeDtypeStruct((N,), np.int32)
        reg = jax.ShapeDtypeStruct((), case.dtype)
        compiled = jax.jit(jax.value_and_grad(loss)).lower(params, X, y, reg).compile()
        cost = compiled.cost_analysis()
    return Work(
        hand_flops=sum(each.flops for each in found),
        hand_bytes=itemsize * sum(each.numbers for each in found),
        least_bytes=itemsize * (N * D + 2 * parameters),
        xla_flops=cost["flops"],
        xla_bytes=cost["bytes accessed"],
    )
