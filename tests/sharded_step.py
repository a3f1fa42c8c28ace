"""Three training steps on 4×2 devices, with donated memory, and gradients on other meshes, into a file."""

import sys
from dataclasses import replace

import jax
import numpy as np
import sharded_program

from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.devices import sharding
from autograd_ref.training import jitted_step
from autograd_ref.two_layer_net import precision

# H = 5 does not divide, and the softplus of a unit that only fills up is not 0.
PROBLEM = replace(random_problem(np.random.default_rng(3), (10, 4, 5, 3)), activation="softplus")
MESHES = {"3x1": (3, 1), "2x3": (2, 3), "1x4": (1, 4)}
LEARNING_RATE, MOMENTUM, STEPS = 0.1, 0.9, 3


def steps():
    """The parameters after the steps, the losses, and whether the memory was given up and used again."""
    mesh, params = sharding.device_mesh(4, 2), PROBLEM.params
    found = {"loss": []}
    with precision(np.float64):
        state = sharding.place_params(mesh, params)
        velocity = sharding.place_params(mesh, {name: np.zeros_like(value) for name, value in params.items()})
        batch = sharding.place_batch(mesh, PROBLEM.X, PROBLEM.y, np.float64)
        given = *batch, LEARNING_RATE, PROBLEM.reg, MOMENTUM
        static = {"mesh": mesh, "hidden_size": PROBLEM.sizes[1], "activation": PROBLEM.activation}
        compiled = sharding.jitted_sharded_step.lower(state, velocity, *given, **static).compile()
        for _ in range(STEPS):
            before = [*state.values(), *velocity.values()]
            state, velocity, loss = compiled(state, velocity, *given)
            found["loss"].append(loss)
        found |= sharding.whole(state, PROBLEM.sizes[1])
    found["deleted"] = all(array.is_deleted() for array in before)
    found["donated bytes"] = compiled.memory_analysis().alias_size_in_bytes
    return found


def assert_as_on_one_device(found):
    """The same steps in this process, where nothing is in shards."""
    params = {name: value.copy() for name, value in PROBLEM.params.items()}
    velocity = {name: np.zeros_like(value) for name, value in params.items()}
    given = PROBLEM.X, PROBLEM.y, LEARNING_RATE, PROBLEM.reg, MOMENTUM
    assert len(found["step/loss"]) == STEPS
    with precision(np.float64):
        for expected in found["step/loss"]:
            params, velocity, loss = jitted_step(params, velocity, *given, activation=PROBLEM.activation)
            np.testing.assert_allclose(expected, loss, rtol=1e-12)
        for name, value in params.items():
            np.testing.assert_allclose(found[f"step/{name}"], value, rtol=1e-12, atol=1e-15)


def main(file):
    found = {f"step/{name}": np.asarray(value) for name, value in steps().items()}
    if jax.process_count() == 1:  # others have no part of a mesh that is smaller than all devices
        for name, shape in MESHES.items():
            given = PROBLEM.params, PROBLEM.X, PROBLEM.y, PROBLEM.reg, PROBLEM.activation
            loss, grads = sharding.value_and_grad(sharding.device_mesh(*shape), *given)
            found |= {f"{name}/{q}": value for q, value in {"loss": loss, **grads}.items()}
    if jax.process_index() == 0:
        np.savez(file, **found)


if __name__ == "__main__":
    output = sys.argv.pop(1)
    sharded_program.main("penalties")
    main(output)
