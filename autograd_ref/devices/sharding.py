"""The same loss and gradient on many devices: the batch and the hidden units in shards.

The devices form a mesh with two axes. Along ``data`` each has its own rows of the batch; along ``hidden``
its own hidden units, which are columns of W1, entries of b1 and rows of W2. The functions are the same as for
one device: XLA's partitioner finds out what must be summed over which axis ("Computation follows data",
https://docs.jax.dev/en/latest/notebooks/Distributed_arrays_and_automatic_parallelization.html). So the
penalty occurs once in the loss and is counted once, however many devices have a part of it.

All devices along an axis must have equal parts. The batch is split as in `handgrad.shards`, and its shards
are padded with rows of zeros whose weight in the loss is 0; the hidden units are padded with units whose
weights are 0. Neither changes the gradient of the others.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array
from numpy.typing import DTypeLike

from autograd_ref.two_layer_net import loss, precision
from handgrad.objective import Objective
from handgrad.shards import split_rows

__all__ = ["device_mesh", "value_and_grad"]

Params = Mapping[str, Any]

SPECS = {
    "W1": PartitionSpec(None, "hidden"),
    "b1": PartitionSpec("hidden"),
    "W2": PartitionSpec("hidden", None),
    "b2": PartitionSpec(None),
}
ROWS = PartitionSpec("data")


def device_mesh(data: int, hidden: int = 1) -> Mesh:
    """Return the first devices of JAX, over all processes, as a mesh (data, hidden).

    Raise ValueError if there are not enough.
    """
    devices = jax.devices()
    if data * hidden > len(devices):
        there = f"only {len(devices)}" if len(devices) > 1 else "only one"
        raise ValueError(
            f"{data * hidden} shards need {data * hidden} devices, but there is {there} "
            f"({devices[0].device_kind})"
        )
    grid = np.array(devices[: data * hidden]).reshape(data, hidden)
    return Mesh(grid, ("data", "hidden"), axis_types=(AxisType.Auto, AxisType.Auto))


def value_and_grad(
    mesh: Mesh, params: Params, X: Any, y: Any, objective: Objective
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the loss and its gradient like `two_layer_net.value_and_grad`, computed on the whole mesh.

    Every process of a run calls this with the same whole arguments, and gets the same whole results.
    """
    dtype = np.asarray(params["W1"]).dtype
    with precision(dtype):
        placed = {name: _place(mesh, SPECS[name], _fill(mesh, name, value)) for name, value in params.items()}
        value, grads = _value_and_grad(placed, *_place_batch(mesh, X, y, dtype), objective, mesh)
        # Remove the padding of the hidden units.
        whole = {
            name: _fetch(grad)[tuple(slice(size) for size in np.shape(params[name]))]
            for name, grad in grads.items()
        }
        return _fetch(value), whole


def _place_batch(mesh: Mesh, X: Any, y: Any, dtype: DTypeLike) -> tuple[Array, Array, Array]:
    """Return X, y and the weights of the rows, 1/N or 0, with every shard padded to the largest."""
    X, y = np.asarray(X), np.asarray(y)
    shards = split_rows(len(y), mesh.shape["data"])
    most = shards[0].stop  # the first shard is never the smaller one
    rows = most * len(shards)
    inputs = np.zeros((rows, X.shape[1]), dtype)
    labels, weights = np.zeros(rows, np.int32), np.zeros(rows, dtype)
    for k, shard in enumerate(shards):
        here = slice(k * most, k * most + shard.stop - shard.start)
        inputs[here], labels[here], weights[here] = X[shard], y[shard], 1 / len(y)
    return _place(mesh, ROWS, inputs), _place(mesh, ROWS, labels), _place(mesh, ROWS, weights)


def _fill(mesh: Mesh, name: str, value: Any) -> np.ndarray:
    """Return a copy padded with zeros to a multiple of the shards of the hidden units."""
    array = np.asarray(value)
    shards = mesh.shape["hidden"]
    axes = zip(SPECS[name], array.shape, strict=True)
    return np.pad(array, [(0, -size % shards if axis == "hidden" else 0) for axis, size in axes])


def _place(mesh: Mesh, spec: PartitionSpec, value: np.ndarray) -> Array:
    """Let each process place the parts of its own devices."""
    return jax.make_array_from_callback(value.shape, NamedSharding(mesh, spec), value.__getitem__)


def _fetch(value: Array) -> np.ndarray:
    if value.is_fully_addressable or value.is_fully_replicated:
        return np.asarray(value)
    return np.asarray(multihost_utils.process_allgather(value, tiled=True))


@partial(jax.jit, static_argnames="mesh")
def _value_and_grad(
    params: Params, X: Array, y: Array, weights: Array, objective: Objective, mesh: Mesh
) -> tuple[Array, dict[str, Array]]:
    value, grads = jax.value_and_grad(loss)(params, X, y, objective, weights=weights)
    shardings = {name: NamedSharding(mesh, SPECS[name]) for name in grads}
    return value, jax.lax.with_sharding_constraint(grads, shardings)
