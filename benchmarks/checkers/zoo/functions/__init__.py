"""The functions of the zoo, one file for each kind."""

from collections.abc import Mapping

from benchmarks.checkers.zoo.entry import Entry
from benchmarks.checkers.zoo.functions import (
    custom_rules,
    linear_algebra,
    low_precision,
    masks,
    memory,
    mixed_scales,
    networks,
    norms,
    products,
    reductions,
    selections,
    softmaxes,
    special,
    ties,
    zeros,
)

KINDS = (
    reductions, softmaxes, masks, ties, selections, norms, products, linear_algebra, mixed_scales, special,
    networks, zeros, low_precision, custom_rules, memory,
)  # fmt: skip

ZOO: Mapping[str, tuple[Entry, ...]] = {
    kind.__name__.rpartition(".")[2].replace("_", " "): tuple(
        each for each in vars(kind).values() if isinstance(each, Entry)
    )
    for kind in KINDS
}
