"""Writing to memory in parts costs only the parts, and every earlier state can be read again."""

import tracemalloc

import numpy as np
import pytest
from same_bits import assert_same

from autograd_ref.recording import NotRecorded, adjoints, check_operations, record, replay

ENTRIES = 10**5


def filled(w):
    a = np.zeros(ENTRIES)
    a[0] = w[0]
    for i in range(1, 60):
        a[i] = a[i - 1] * 0.9 + w[i % 5]
    return np.sum(a * a)


def rows_of(w):
    table = np.zeros((ENTRIES // 10, 10))
    for i in range(30):
        table[[i, i + 1, i]] += w[i % 5]
        table[np.array([2, 4])] = table[[i, 0]] * w[:2, None]
    return np.sum(table * table)


def entries_of(w):
    flat = np.zeros(ENTRIES)
    table, mask = flat.reshape(-1, 10), np.zeros(ENTRIES, bool)
    mask[[1, 8]] = True
    for i in range(30):
        flat[[3, i, 3]] += w[:3]
        flat[mask] -= w[:2]
        np.add.at(flat, [7, 7, i], w[i % 5] * flat[[i, 3, 2]])
        np.multiply.at(table, ([0, i], [2, 1]), 1 + w[4] / 9)
        table[[i, 5], 3] = w[:2] * table[[3, 4], [1, 2]]
    return np.sum(table * table)


@pytest.mark.slow
@pytest.mark.parametrize("filled", [filled, rows_of, entries_of])
def test_writes_into_large_memory_take_no_copy_of_it(filled):
    w = np.linspace(-1, 1, 5)
    tracemalloc.start()
    recording = record(filled, w)
    assert_same(recording.result, filled(w))
    check_operations(recording)
    found = adjoints(recording, recording.value(recording.result), replay(recording.tape))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * ENTRIES * 8
    direction = np.cos(np.arange(5))
    ends = [filled(w + step * direction) for step in (1e-6, -1e-6)]
    along = np.sum(found.of[recording.leaves[0].value].centre * direction)
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(along, rel=1e-7)


def test_views_that_repeat_a_number_share_its_adjoint():
    def call(w):
        pair, (first, _) = np.broadcast_to(w[1], 2), np.broadcast_arrays(w[0], w)
        return pair[0] * 2 + pair[1] * 3 + first[0] + first[1:] @ first[1:]

    w = np.array([0.5, -1.0, 2.0])
    recording = record(call, w)
    assert_same(recording.result, call(w))
    found = adjoints(recording, recording.value(recording.result))
    np.testing.assert_array_equal(found.of[recording.leaves[0].value].centre, [1 + 4 * w[0], 5, 0])
    with pytest.raises(NotRecorded, match="repeats recorded numbers"):
        record(lambda w: np.broadcast_to(array=w[1], shape=2)[0], w)


def test_single_entries_are_read_where_their_views_lead():
    def call(x):
        views = [x, x.T, x[::-1], x[1:, None], x[:, ::-2], x[None, ..., 0], np.broadcast_to(x[0, 0], (3, 4))]
        ends = [each[np.int8(-1), ..., -1] if each.ndim > 2 else each[np.uint8(0), -1] for each in views]
        return sum([np.sum(end) * each[(-1,) * each.ndim] for end, each in zip(ends, views, strict=True)])

    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    recording = record(call, x)
    assert_same(recording.result, call(x))
    check_operations(recording)


def test_mask_that_is_overwritten_is_known_as_it_was_used():
    def call(x):
        mask = x > 0
        total = x[mask].sum()
        mask[:] = True
        mask[0] = False
        return total + x[mask].sum()

    controls = record(call, np.array([0.5, -1.0, 2.0])).tape.controls
    assert [each.array.tolist() for each in controls] == [[True, False, True], [False, True, True]]


def test_every_version_of_a_memory_is_kept():
    def call(x):
        a = x * 2
        a[0] = x[1]
        first = np.sum(a * a)
        a[1:] *= 3
        a[::-1][0] = 5.0
        return first + np.sum(a**3)

    x = np.array([0.5, -1.0, 2.0])
    recording = record(call, x)
    check_operations(recording)
    arrays = replay(recording.tape)
    versions = [arrays[each.number] for each in recording.tape.values if each.shape == (3,)]
    for wanted in ([1, -2, 4], [-1, -2, 4], [-1, -6, 12], [-1, -6, 5]):
        assert any(np.array_equal(each, wanted) for each in versions)
    found = adjoints(recording, recording.value(recording.result))
    a = [-1.0, -6.0, 5.0]
    expected = [0.0, 2 * x[1] + 3 * a[0] ** 2 + 8 * x[1] + 3 * a[1] ** 2 * 6, 8 * x[2]]
    np.testing.assert_allclose(found.of[recording.leaves[0].value].centre, expected)
    for (value, position), part in found.contributions.items():
        assert part.centre.shape == value.inputs[position].shape
        assert part.centre.dtype == np.float64


@pytest.mark.slow
def test_tape_does_not_change_with_what_was_left_behind():
    kept = []

    def call(x, w):
        y = x * 2
        kept.append((y * w)[1:])
        kept.append({"later": lambda: y, "iterator": iter((x + w, 0))})
        return np.sum(y), y, w

    x, w = np.arange(3.0), np.ones(3)
    recording = record(call, x, w)
    held = [None if value.array is None else value.array.copy() for value in recording.tape.values]
    for each in (x, w, recording.result[1], kept[0], kept[1]["later"](), next(kept[1]["iterator"])):
        each += 7.0
    for value, array in zip(recording.tape.values, held, strict=True):
        if array is not None:
            np.testing.assert_array_equal(value.array, array)
