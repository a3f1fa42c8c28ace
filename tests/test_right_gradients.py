"""Right gradients pass in several forms; an error planted in one entry is caught."""

import jax
import numpy as np
import pytest
from right_gradients import CASES
from some_quick import some_quick

from autograd_ref.arithmetic.rounding_bounds import RoundedFunction
from autograd_ref.crosscheck.function.pytrees import copy_arrays, parameter_leaves
from autograd_ref.crosscheck.quantity import judge
from autograd_ref.two_layer_net import precision

PROBLEMS = 3

# In float32 the rounding of these long sums exceeds a thousandth of a median entry.
COARSE = {"sum of 10⁵ terms": 2e-2}


def traced(reference, params, args):
    """The reference's value and gradient for the floating arrays, traced once for many problems."""

    def flat(*inputs):
        given, *others = jax.tree.unflatten(structure, inputs)
        value, grads = jax.value_and_grad(reference)(given, *others)
        return [value, *jax.tree.leaves(grads)]

    inputs, structure = jax.tree.flatten((params, *args))
    return jax.make_jaxpr(flat)(*(np.asarray(x, np.float64) for x in inputs))


@pytest.mark.parametrize("dtype", some_quick(["float32", "float64"]))
@pytest.mark.parametrize("name", some_quick(CASES))
def test_right_gradients_pass_and_a_small_error_is_caught(name, dtype):
    case, function = CASES[name], None
    for seed in range(PROBLEMS):
        params, *args = copy_arrays(case.problem(np.random.default_rng(seed)), dtype)
        with precision(np.float64):
            moved = len(jax.tree.leaves(params))
            function = function or RoundedFunction(traced(case.reference, params, args), moved, dtype)
            inputs = [np.asarray(x, np.float64) for x in jax.tree.leaves((params, *args))]
            found = function.measure(inputs, np.random.default_rng(seed), few=seed > 0)
        names = ["loss", *(leaf.name for leaf in parameter_leaves(params))]
        for hand in case.hands:
            loss, grads = hand(params, *args)
            for q, given, each in zip(names, [loss, *jax.tree.leaves(grads)], found, strict=True):
                quantity = judge(q, given, each.value, each.bound, lambda *_: None)
                assert quantity.ok, (hand.__name__, seed, quantity)
                planted = np.array(given, np.float64)
                size = np.abs(each.value)
                nonzero = np.argsort(size, axis=None)[np.count_nonzero(size == 0) :]
                median = nonzero[len(nonzero) // 2]
                planted.flat[median] *= 1 + 2 * quantity.resolution
                caught = judge(q, planted, each.value, each.bound, lambda *_: None)
                assert not caught.ok
                assert caught.index == np.unravel_index(median, planted.shape)
                if seed == 0:
                    coarse = COARSE.get(name, 1e-3) if dtype == "float32" else 1e-10
                    assert quantity.resolution < coarse, (q, quantity.resolution)
