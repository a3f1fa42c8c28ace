"""The functions of the zoo, a file a kind."""

from collections.abc import Mapping

from benchmarks.checkers.zoo.functions import (
    custom_rules,
    linear_algebra,
    low_precision,
    masks,
    mixed_scales,
    networks,
    norms,
    products,
    reductions,
    softmaxes,
    special,
    state,
    strides,
    ties,
    zeros,
)
from benchmarks.checkers.zoo.entry import Entry

KINDS = (
    reductions, softmaxes, masks, ties, norms, products, linear_algebra, mixed_scales, special, networks, zeros,
    low_precision, custom_rules, state, strides,
)  # fmt: skip

ZOO: Mapping[str, tuple[Entry, ...]] = {
    kind.__name__.rpartition(".")[2].replace("_", " "): tuple(
        each for each in vars(kind).values() if isinstance(each, Entry)
    )
    for kind in KINDS
}
