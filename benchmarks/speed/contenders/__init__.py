"""The contenders: one file each, all with the interface of `benchmarks.speed.contenders.interface`."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["CONTENDERS", "LIMIT", "OURS", "load", "missing"]

OURS = "handgrad fused"  # the ratios are relative to it
LIMIT = "limit"  # not a network, but the limit of all of them

# Each contender's file in this package; its class is ``Contender``.
CONTENDERS = {
    "course notes": "course_notes",
    "handgrad plain": "handgrad_plain",
    OURS: "handgrad_fused",
    "JAX jit": "jax_jit",
    "JAX scan": "jax_scan",
    "PyTorch": "pytorch",
    "torch.compile": "pytorch_compile",
    "scikit-learn": "scikit_learn",
}
TORCH = ("PyTorch", "torch.compile")  # the only library that is not installed with handgrad


def load(name: str) -> Any:
    """Return the class of a contender."""
    module = (CONTENDERS | {LIMIT: "limit"})[name]
    return import_module(f"benchmarks.speed.contenders.{module}").Contender


def missing(names: Sequence[str]) -> dict[str, str]:
    """Return the contenders whose library is not installed, with the command that installs it."""
    if find_spec("torch") is not None:
        return {}
    return {name: "pip install -e '.[torch]'" for name in names if name in TORCH}
