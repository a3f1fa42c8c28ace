"""The contenders: one file each, all with the interface of `benchmarks.speed.contenders.interface`."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["CONTENDERS", "LIMIT", "OURS", "Entry", "entry", "load", "missing"]


@dataclass(frozen=True)
class Entry:
    """Where a contender is, and what it needs.

    Attributes:
        module: the file in this package; its class is ``Contender``.
        imports: the module that its user imports; the import is timed.
        install: the command that installs its library.
    """

    module: str
    imports: str
    install: str = "pip install -e ."


OURS = "handgrad fused"  # the ratios are relative to it
LIMIT = "limit"

CONTENDERS = {
    "course notes": Entry("course_notes", "numpy"),
    "handgrad plain": Entry("handgrad_plain", "handgrad"),
    OURS: Entry("handgrad_fused", "handgrad.fused.sgd"),
    "JAX jit": Entry("jax_jit", "jax"),
    "JAX scan": Entry("jax_scan", "jax"),
    "PyTorch": Entry("pytorch", "torch", "pip install -e '.[torch]'"),
    "torch.compile": Entry("pytorch_compile", "torch", "pip install -e '.[torch]'"),
    "scikit-learn": Entry("scikit_learn", "sklearn.neural_network"),
}
# Not a network, but what limits all of them.
MACHINE = {LIMIT: Entry("limit", "scipy.linalg.blas")}


def entry(name: str) -> Entry:
    """Return where the contender of that name is."""
    return (CONTENDERS | MACHINE)[name]


def load(name: str) -> Any:
    """Return the class of a contender, a `benchmarks.speed.contenders.interface.Contender`."""
    return import_module(f"benchmarks.speed.contenders.{entry(name).module}").Contender


def missing(names: Sequence[str]) -> dict[str, str]:
    """Return the contenders whose library is not installed, with the command that installs it."""
    libraries = {name: entry(name).imports.split(".")[0] for name in names}
    return {name: entry(name).install for name in names if find_spec(libraries[name]) is None}
