"""Gradients of shards combine to the gradient of the whole batch, as derived in `handgrad.shards`."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_ref.crosscheck.comparison import compare_gradients
from autograd_ref.crosscheck.problems import random_problem
from handgrad.shards import combine_shards, shard_gradients, split_rows

PROBLEM = random_problem(np.random.default_rng(0), (11, 5, 6, 4))
NET = PROBLEM.net()


def parts(ends, problem=PROBLEM):
    """The shards that end at these rows."""
    return [
        shard_gradients(problem.params, problem.X[start:end], problem.y[start:end])
        for start, end in pairwise([0, *ends, len(problem.y)])
    ]


def wrong(loss, grads):
    found = compare_gradients(PROBLEM, loss, grads)
    return [quantity.name for quantity in found.quantities if not quantity.ok]


@settings(max_examples=25)
@given(st.lists(st.integers(0, 11), max_size=14), st.randoms(use_true_random=False))
def test_any_shards_in_any_order_combine_to_the_whole(ends, random):
    shards = parts(sorted(ends))
    random.shuffle(shards)
    loss, grads = combine_shards(shards, PROBLEM.params, PROBLEM.reg)
    whole, whole_grads = NET.loss(PROBLEM.X, PROBLEM.y, PROBLEM.reg)
    np.testing.assert_allclose(loss, whole, rtol=1e-13)
    for name, value in whole_grads.items():
        np.testing.assert_allclose(grads[name], value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shards", [1, 3, 8, 20])
def test_the_gradients_are_within_the_bounds_of_the_whole(shards, dtype):
    problem = PROBLEM.astype(dtype)
    ends = [rows.stop for rows in split_rows(len(problem.y), shards)][:-1]
    loss, grads = combine_shards(parts(ends, problem), problem.params, problem.reg)
    assert loss.dtype == dtype
    assert {value.dtype.name for value in grads.values()} == {dtype}
    assert compare_gradients(problem, loss, grads).ok


def test_a_penalty_for_each_shard_is_caught():
    assert wrong(*combine_shards(parts([4, 8]), PROBLEM.params, 3 * PROBLEM.reg)) == ["loss", "dW2", "dW1"]


def test_the_plain_mean_of_uneven_shards_is_caught():
    def forget_sizes(ends):
        shards = parts(ends)
        return [type(shard)(1, shard.loss, shard.grads) for shard in shards]

    assert wrong(*combine_shards(forget_sizes([2]), PROBLEM.params, PROBLEM.reg)) == [
        "loss", "dW2", "db2", "dW1", "db1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("N", "shards", "sizes"), [(8, 4, [2] * 4), (7, 3, [3, 2, 2]), (2, 4, [1, 1, 0, 0]), (5, 1, [5])]
)
def test_rows_are_split_evenly_and_each_is_in_one_shard(N, shards, sizes):
    found = split_rows(N, shards)
    assert [rows.stop - rows.start for rows in found] == sizes
    assert [n for rows in found for n in range(N)[rows]] == list(range(N))


def test_what_cannot_be_split_or_combined_is_refused():
    with pytest.raises(ValueError, match="shards must be at least 1, not 0"):
        split_rows(5, 0)
    with pytest.raises(ValueError, match="none of the shards has a sample"):
        combine_shards([shard_gradients(PROBLEM.params, PROBLEM.X[:0], PROBLEM.y[:0])], PROBLEM.params, 0.1)
