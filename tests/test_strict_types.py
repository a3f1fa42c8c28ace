"""The run-time checks of types and shapes are on in every test, and off where a test says so."""

import jaxtyping
import numpy as np
import pytest
import strict_types
from beartype.roar import BeartypeCallHintViolation

from autograd_ref.recording.place import place_of
from handgrad.layers import affine_forward


def test_a_wrong_type_and_a_wrong_shape_are_errors():
    X, W, b = np.ones((2, 3)), np.ones((3, 4)), np.ones(5)
    with pytest.raises(BeartypeCallHintViolation, match="violates type hint"):
        place_of("no code", -1)
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'b'"):
        affine_forward(X, W, b)
    with strict_types.unchecked(), pytest.raises(ValueError, match="broadcast"):
        affine_forward(X, W, b)
