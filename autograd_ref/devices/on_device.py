"""Judge JAX's own gradients on a given device, in the dtype of training, as if they were written by hand.

Every other check computes its reference in float64. This one judges the gradients that `jax.grad` gives in
float32 on a GPU, where products of matrices may be rounded to far fewer bits than float32 has.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import jax
from rich.table import Table

from autograd_ref.crosscheck.comparison import Comparison, compare_gradients
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reports.table import comparison_json, comparison_table
from autograd_ref.two_layer_net import matmul_precision, value_and_grad

__all__ = ["OnDevice", "check_on_device", "computing_on", "find_device"]


@dataclass(frozen=True)
class OnDevice:
    """JAX's own loss and gradient on one problem, each quantity compared with float64.

    Attributes:
        device: JAX's description of the device.
        precision: the precision that was set for products of float32 matrices.
        reasons: a sentence about the precision, if it is the reason for wrong results; otherwise nothing.
    """

    comparison: Comparison
    device: str
    precision: str
    reasons: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every quantity is within its bound."""
        return self.comparison.ok

    @property
    def name(self) -> str:
        """The name of the problem, and the device."""
        return f"{self.comparison.name}, by JAX on {self.device}"

    @property
    def dtype(self) -> str:
        """The dtype that was checked."""
        return self.comparison.dtype

    @property
    def first_wrong(self) -> str | None:
        """The earliest wrong quantity in the order of computation."""
        return self.comparison.first_wrong

    def table(self) -> Table:
        """Return a row for each quantity; the title gives the device and the precision."""
        table = comparison_table(self.comparison)
        table.title = f"{table.title}: JAX on {self.device}, products {self.precision!r}"
        return table

    def to_json(self) -> dict[str, Any]:
        """Return the result of `comparison_json` with the attributes added."""
        where = {"device": self.device, "precision": self.precision, "reasons": list(self.reasons)}
        return comparison_json(self.comparison) | where


def computing_on(device: jax.Device | None) -> AbstractContextManager[Any]:
    """Return a context in which JAX computes on this device; None for JAX's own choice."""
    return jax.default_device(device)


def find_device(platform: str) -> jax.Device:
    """Return the first device of a platform, "cpu" or "gpu"; raise ValueError if JAX has none."""
    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        kinds = ", ".join(sorted({device.device_kind for device in jax.devices()}))
        raise ValueError(
            f"JAX finds no {platform} here, only {kinds}; for NVIDIA GPUs, install jax[cuda13]"
        ) from None


def check_on_device(problem: Problem, device: jax.Device) -> OnDevice:
    """Judge the gradient of `jax.grad` on a device, in the problem's dtype."""
    with computing_on(device):
        comparison = _compare(problem)
        reasons = () if comparison.ok else tuple(_reasons(problem))
    return OnDevice(comparison, _described(device), matmul_precision(), reasons)


def _reasons(problem: Problem) -> Iterator[str]:
    """Compute again in the highest precision and in float64, and say whether precision is the reason."""
    asked = matmul_precision()
    with jax.default_matmul_precision("highest"):
        if _compare(problem).ok:
            yield (
                f"The reason is the precision: JAX is configured to multiply matrices in {asked!r} "
                "(jax_default_matmul_precision). In 'highest' every quantity is right."
            )
            return
    if problem.dtype.name == "float32" and _compare(problem.astype("float64")).ok:
        yield (
            f"The reason is the precision, although it is {asked!r}: in float64 every quantity is right. "
            "Of the 23 bits of float32, TensorFloat-32 keeps 10 in products and bfloat16 7."
        )


def _compare(problem: Problem) -> Comparison:
    loss, grads = value_and_grad(problem.params, problem.X, problem.y, problem.objective)
    return compare_gradients(problem, loss, grads)


def _described(device: jax.Device) -> str:
    kind = device.device_kind
    return device.platform if kind == device.platform else f"{device.platform} ({kind})"
