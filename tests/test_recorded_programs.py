"""The corpus: right programs in all the styles that people write, recorded, replayed and differentiated."""

import numpy as np
import pytest
from recorded_corpus import CASES

from autograd_ref.recording import adjoints, check_complete, check_operations, record

SLOW = pytest.mark.slow
# One of each kind of trouble; all the others are slow together. `test_program` judges them in both dtypes.
QUICK = {"moved_weights", "in_place_buffers"}
SELECTED = [
    *[(name, np.float64) if name in QUICK else pytest.param(name, np.float64, marks=SLOW) for name in CASES],
    *[pytest.param(name, np.float32, marks=SLOW) for name in sorted(QUICK)],
]


@pytest.mark.parametrize(("name", "dtype"), SELECTED)
def test_program_gradients_are_adjoints(name, dtype):
    built = CASES[name](np.random.default_rng(1), dtype)
    recording = record(built.call)
    loss = recording.value(built.loss(recording.result))
    gradients = built.gradients(recording.result)
    check_operations(recording)
    found = adjoints(recording, loss)
    leaves = {leaf.path: leaf for leaf in recording.leaves}
    assert gradients
    for path, gradient in gradients.items():
        if isinstance(gradient, tuple):
            array, gradient = gradient
            adjoint = found.of[recording.value(array)]
        else:
            (leaf,) = [each for key, each in leaves.items() if key.endswith(path)]
            adjoint = found.of[leaf.value]
        assert adjoint.slack is None
        size = np.abs(adjoint.centre).max()
        u = np.finfo(dtype).eps
        np.testing.assert_allclose(
            gradient, adjoint.centre, rtol=0, atol=(1e-12 if dtype is np.float64 else 40 * u) * size
        )
    assert check_complete(recording)

    if dtype is np.float64:
        assert_derivative_along_a_direction(built.loss, recording, found)


def assert_derivative_along_a_direction(loss, recording, found):
    rng = np.random.default_rng(2)
    leaves = [leaf for leaf in recording.leaves if leaf.value in found.of]
    directions = {leaf.path: rng.standard_normal(leaf.array.shape) for leaf in leaves}
    expected = sum(float(np.sum(found.of[leaf.value].centre * directions[leaf.path])) for leaf in leaves)
    ends = []
    for sign in (1, -1):
        recording.before.restore()
        for leaf in leaves:
            leaf.array[...] += sign * 1e-6 * directions[leaf.path]
        ends.append(float(loss(recording.call())))
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(expected, rel=1e-6, abs=1e-8)
