"""What is read off a compiled program, and the model that is held against it."""

import pytest

from benchmarks.sharding.compare import CORE, all_reduce_seconds, arithmetic_share, break_even_rows, predicted
from benchmarks.sharding.worker import C, D, H, N, all_reduced_bytes

HLO = """\
  %dot.3 = f32[75,3072]{1,0} dot(%a, %b), lhs_contracting_dims={0}
  %all-reduce.8 = (f32[210,10]{1,0}, f32[]) all-reduce(%c, %d), channel_id=1, replica_groups=[4,2]<=[8]
  %get-tuple-element = f32[210,10]{1,0} get-tuple-element(%all-reduce.8), index=0
  %all-reduce-start.1 = f32[75]{0} all-reduce-start(%e), channel_id=2
"""


def test_every_all_reduce_is_counted_and_nothing_else_is_overlooked():
    assert all_reduced_bytes(HLO) == 4 * (210 * 10 + 1 + 75)
    for other in ("%g = f32[8]{0} all-gather(%h), dimensions={0}", "%g = f64[8]{0} all-reduce(%h)"):
        with pytest.raises(ValueError, match="not an all-reduce of float32"):
            all_reduced_bytes(f"{HLO}\n  {other}")


def test_one_device_communicates_nothing_and_the_others_no_less_for_being_many():
    assert predicted(1, 1)[1] == 0
    assert predicted(2, 1)[1] == predicted(8, 1)[1] == 4 * (D * H + H + H * C + C + 1)
    assert predicted(1, 8)[1] == 4 * (N * C + 2)


@pytest.mark.parametrize("machines", [2, 10, 10_000])
def test_at_the_break_even_the_arithmetic_is_half_of_the_time(machines):
    rows = break_even_rows(H, machines, CORE)
    assert arithmetic_share(rows, H, machines, CORE) == pytest.approx(0.5)
    # Far above the width at which latency counts: 2F/B rows, less the two that the update is worth.
    assert break_even_rows(10**6, machines, CORE) == pytest.approx(
        2 * (machines - 1) / machines * CORE.flops / CORE.bandwidth - 2, rel=0.01
    )


def test_an_all_reduce_between_two_is_an_exchange_of_halves_twice():
    assert all_reduce_seconds(1e6, 2, CORE) == pytest.approx(2 * CORE.latency + 1e6 / CORE.bandwidth)
