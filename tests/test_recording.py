"""A recorded run is a plain run; its adjoints are the derivatives."""

import numpy as np
import pytest
from recorded_numbers import STYLES
from recorded_snippets import SNIPPETS
from same_bits import assert_same

from autograd_ref.recording import adjoints, check_complete, check_operations, record, replay


def drawn(dtype, seed=0):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    return x.astype(dtype), w.astype(dtype), np.array([1, 0, 2])


def differences(function, arguments, leaf, step=1e-6):
    """Central differences of a plain function by one of its arguments."""
    base = [np.array(each) for each in arguments]
    found = np.zeros(base[leaf].shape)
    for index in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = [np.array(each) for each in base]
            moved[leaf][index] += sign * step
            ends.append(float(function(*moved)))
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


CHANGED_BY_FLOAT32 = {"sum_dtype", "astype", "float32_inside", "copies", "stacked_float"}

# What the rest of the suite leans on; all the others are slow together.
QUICK = {"in_place", "view_of_view", "indices", "masks", "builtins_", "add_at"}
SELECTED = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SNIPPETS]


@pytest.mark.parametrize("name", SELECTED)
def test_snippet_derivative(name):
    function = SNIPPETS[name]
    with np.errstate(all="ignore"):
        plain = function(*drawn(np.float64))
        recording = record(function, *drawn(np.float64))
    assert_same(recording.result, plain)
    check_operations(recording)
    assert check_complete(recording)
    found = adjoints(recording, recording.value(recording.result))
    for leaf in recording.leaves:
        position = ["x", "w", "m"].index(leaf.path)
        expected = differences(function, drawn(np.float64), position)
        tolerance = 0.3 if name in CHANGED_BY_FLOAT32 else 1e-5
        if name in CHANGED_BY_FLOAT32:
            expected = differences(function, drawn(np.float64), position, 1e-2)
        adjoint = found.of.get(leaf.value)
        centre = np.zeros(leaf.value.shape) if adjoint is None else adjoint.centre
        np.testing.assert_allclose(centre, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", SNIPPETS)
def test_snippet_in_single_precision(name):
    with np.errstate(all="ignore"):
        plain = SNIPPETS[name](*drawn(np.float32))
        recording = record(SNIPPETS[name], *drawn(np.float32))
    assert_same(recording.result, plain)
    if len({value.dtype for value in recording.tape.values if value.is_floating}) > 1:
        check_operations(recording)  # of one dtype: `test_recording_coverage`


def test_programs_in_many_styles_compute_as_in_a_plain_run():
    for name, function in STYLES.items():
        assert_same(record(function, *drawn(np.float64)[:2]).result, function(*drawn(np.float64)[:2]), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", STYLES)
def test_style_derivative(name):
    function, arguments = STYLES[name], drawn(np.float64)[:2]
    recording = record(function, *arguments)
    check_operations(recording)
    assert check_complete(recording)
    found = adjoints(recording, recording.value(recording.result))
    assert not found.ties
    for leaf in recording.leaves:
        if leaf.path in ("x", "w") and leaf.value in found.of:
            expected = differences(function, drawn(np.float64)[:2], ["x", "w"].index(leaf.path))
            np.testing.assert_allclose(found.of[leaf.value].centre, expected, rtol=1e-5, atol=1e-5)


def test_masks_follow_what_they_compare():
    """A mask has no floating input, and yet it is another one where what was compared is moved."""

    def program(w, x, _kinds=frozenset({"relu"})):
        z = x @ w
        mask = z > 0
        return np.sum(z * mask), x.T @ mask.astype(float), np.where(mask, 1.0, 0.0)

    x = np.random.default_rng(0).standard_normal((5, 3))
    recording = record(program, np.zeros((3, 2)), x)
    assert check_complete(recording)
    moved = {leaf.value: np.ones((3, 2)) for leaf in recording.leaves if leaf.path == "w"}
    arrays = replay(recording.tape, moved)
    mask = recording.value(recording.result[2])
    np.testing.assert_array_equal(arrays[mask.number], x @ np.ones((3, 2)) > 0)


@pytest.mark.slow
def test_scipys_float32_of_large_matrices_is_not_a_fault():
    import scipy.linalg

    def program(small, large):
        chosen = [20 * each for each in small] + [-1e7 * small[0] @ small[0].T, large]
        return sum([np.sum(scipy.linalg.expm(each)) for each in chosen])

    rng = np.random.default_rng(0)
    large = np.triu(rng.standard_normal((100, 100)))
    with np.errstate(all="ignore"):
        recording = record(program, *(each.astype("f4") for each in (rng.standard_normal((4, 2, 2)), large)))
    check_operations(recording)
