"""What JAX computes on a given device, in the dtype that people train in, judged like a hand-written gradient.

The reference of every other check is computed in float64. This one is for the gradients that `jax.grad`
itself gives in float32 on a GPU, where products of matrices may be rounded to far fewer bits than
float32 has.
"""

from dataclasses import dataclass
from typing import Any

import jax

from autograd_ref.crosscheck.comparison import Comparison, compare_gradients
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.table import comparison_json
from autograd_ref.two_layer_net import matmul_precision, value_and_grad

__all__ = ["OnDevice", "check_on_device", "find_device"]

# Bits of the significand that are rounded to, the first one included, and what hardware of this kind calls it.
FLOAT32_BITS = 24
COARSER = {11: "TensorFloat-32 (10 bits)", 8: "bfloat16 (7 bits)"}


@dataclass(frozen=True)
class OnDevice:
    """JAX's own loss and gradient on one problem.

    Attributes:
        comparison: each quantity against the same in float64.
        device: as JAX describes it.
        precision: what products of float32 matrices were asked for.
        reason: a sentence that says why they are wrong, where the precision explains it.
    """

    comparison: Comparison
    device: str
    precision: str
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        """What `comparison_json` gives, and the attributes."""
        found = {"device": self.device, "precision": self.precision, "reason": self.reason}
        return comparison_json(self.comparison) | found


def find_device(platform: str) -> jax.Device:
    """The first device of a platform.

    Args:
        platform: "cpu" or "gpu".

    Returns:
        The device.

    Raises:
        ValueError: JAX has none.
    """
    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        found = ", ".join(sorted({device.device_kind for device in jax.devices()}))
        raise ValueError(
            f"JAX finds no {platform} here, only {found}; for NVIDIA's it has to be installed as jax[cuda13]"
        ) from None


def check_on_device(problem: Problem, device: jax.Device) -> OnDevice:
    """Judge what `jax.grad` gives on a device, in the problem's dtype.

    Args:
        problem: where to check.
        device: of `find_device`.

    Returns:
        The judgement, and the reason if it is the precision that is to blame.
    """
    with jax.default_device(device):
        loss, grads = value_and_grad(problem.params, problem.X, problem.y, problem.reg)
        comparison = compare_gradients(problem, loss, grads)
        reason = None if comparison.ok else _reason(problem, comparison)
    return OnDevice(comparison, f"{device.platform} ({device.device_kind})", matmul_precision(), reason)


def _reason(problem: Problem, comparison: Comparison) -> str | None:
    """Computed again with the highest precision; what is wrong still is told by its size."""
    asked = matmul_precision()
    with jax.default_matmul_precision("highest"):
        highest = value_and_grad(problem.params, problem.X, problem.y, problem.reg)
        right = compare_gradients(problem, *highest).ok
    if right:
        return (
            f"The precision of matrix products is to blame: JAX was configured to {asked!r} "
            f"(jax_default_matmul_precision); with 'highest' every quantity is right."
        )
    worst = max(quantity.bound_units for quantity in comparison.quantities)
    for bits, name in COARSER.items():
        if problem.dtype.name == "float32" and worst <= 2 ** (FLOAT32_BITS - bits):
            return (
                f"No entry is off by more than factors rounded to {name} explain: the device seems to "
                f"multiply matrices with that, though {asked!r} was asked for."
            )
    return None
