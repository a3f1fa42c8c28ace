"""What JAX computes on a given device, in the dtype that people train in, judged as if written by hand.

The reference of every other check is computed in float64. This one is for the gradients that `jax.grad`
itself gives in float32 on a GPU, where products of matrices may be rounded to far fewer bits than
float32 has.
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
    """JAX's own loss and gradient on one problem, each quantity compared with the same in float64.

    Attributes:
        device: as JAX describes it.
        precision: what products of float32 matrices were asked for.
        reasons: a sentence that says why they are wrong, where it is the precision; else nothing.
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
        """Of the problem, and where it was computed."""
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
        """The quantities as rows; which device and precision is in the title."""
        table = comparison_table(self.comparison)
        table.title = f"{table.title}: JAX on {self.device}, products {self.precision!r}"
        return table

    def to_json(self) -> dict[str, Any]:
        """What `comparison_json` gives, and the attributes."""
        where = {"device": self.device, "precision": self.precision, "reasons": list(self.reasons)}
        return comparison_json(self.comparison) | where


def computing_on(device: jax.Device | None) -> AbstractContextManager[Any]:
    """Return a context in which JAX computes on this device; None for the one that it chooses."""
    return jax.default_device(device)


def find_device(platform: str) -> jax.Device:
    """Return the first device of a platform, "cpu" or "gpu"; raise ValueError if JAX has none."""
    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        kinds = ", ".join(sorted({device.device_kind for device in jax.devices()}))
        raise ValueError(
            f"JAX finds no {platform} here, only {kinds}; for NVIDIA's it has to be installed as jax[cuda13]"
        ) from None


def check_on_device(problem: Problem, device: jax.Device) -> OnDevice:
    """Judge what `jax.grad` gives on a device, in the problem's dtype."""
    with computing_on(device):
        comparison = _compare(problem)
        reasons = () if comparison.ok else tuple(_reasons(problem))
    return OnDevice(comparison, _described(device), matmul_precision(), reasons)


def _reasons(problem: Problem) -> Iterator[str]:
    """What is told by computing it again: in the highest precision, and in float64."""
    asked = matmul_precision()
    with jax.default_matmul_precision("highest"):
        if _compare(problem).ok:
            yield (
                f"The precision is to blame: JAX was told to multiply matrices in {asked!r} "
                "(jax_default_matmul_precision). In 'highest' every quantity is right."
            )
            return
    if problem.dtype.name == "float32" and _compare(problem.astype("float64")).ok:
        yield (
            f"The precision is to blame, though {asked!r} was asked for: in float64 every quantity is right. "
            "Of the 23 bits of float32, TensorFloat-32 keeps 10 in products and bfloat16 7."
        )


def _compare(problem: Problem) -> Comparison:
    loss, grads = value_and_grad(problem.params, problem.X, problem.y, problem.objective)
    return compare_gradients(problem, loss, grads)


def _described(device: jax.Device) -> str:
    kind = device.device_kind
    return device.platform if kind == device.platform else f"{device.platform} ({kind})"
