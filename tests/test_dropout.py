"""Dropout: the mask's distribution, and the backward function against JAX."""

import jax
import numpy as np
import pytest

from autograd_ref.two_layer_net import precision
from handgrad.dropout import draw_dropout_mask, dropout_backward, dropout_forward


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9])
def test_mask_drops_with_the_given_probability(probability, dtype):
    mask = draw_dropout_mask(np.random.default_rng(0), probability, np.empty((200, 500), dtype))
    kept = dtype(1 / (1 - probability))
    assert set(np.unique(mask)) <= {0, kept}
    # A count of n trials is within 5 standard deviations of its mean, except for one seed in two million.
    n = mask.size
    allowed = 5 * np.sqrt(n * probability * (1 - probability))
    assert abs((mask == 0).sum() - n * probability) <= allowed


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_backward_function_is_the_transposed_derivative(dtype):
    rng = np.random.default_rng(0)
    h, dr = (rng.standard_normal((7, 5)).astype(dtype) for _ in range(2))
    mask = draw_dropout_mask(rng, 0.3, np.empty_like(h))
    with precision(dtype):
        r, vjp = jax.vjp(lambda h: h * mask, h)
        (dh,) = vjp(dr)
    # One product each: the same rounding on both sides.
    np.testing.assert_array_equal(dropout_forward(h, mask), r)
    np.testing.assert_array_equal(dropout_backward(dr, mask), dh)
