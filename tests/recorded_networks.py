"""The calls of programs in tests/programs/, with the loss, and the array of each gradient."""

import importlib.util
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PROGRAMS = Path(__file__).parent / "programs"


class Case(NamedTuple):
    """One call of a program.

    Attributes:
        call: takes nothing.
        loss: finds the loss in what the call returned.
        gradients: finds, for each leaf's path, what the program says its gradient is.
    """

    call: Any
    loss: Any
    gradients: Any


CASES = {}


def load(name):
    """A program, imported anew."""
    spec = importlib.util.spec_from_file_location(f"programs_{name}", PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def case(function):
    CASES[function.__name__] = function
    return function


def normal(rng, dtype, *shape):
    return (0.7 * rng.standard_normal(shape)).astype(dtype)


def network(rng, dtype):
    sizes = [(4, 5), (5,), (5, 3), (3,)]
    return [normal(rng, dtype, *s) for s in sizes], normal(rng, dtype, 6, 4), rng.integers(0, 3, 6)


@case
def two_layer_function(rng, dtype):
    module = load("two_layer_function")
    weights, X, y = network(rng, dtype)
    names = [f"weights[{i}]" for i in range(4)]
    return Case(
        lambda: module.two_layer_loss(*weights, X, y, 0.1),
        lambda out: out[0],
        lambda out: dict(zip(names, out[1:], strict=True)),
    )


@case
def two_layer_class(rng, dtype):
    module = load("two_layer_class")
    _, X, y = network(rng, dtype)
    net = module.TwoLayerNet(4, 5, 3, 0.5, np.random.RandomState(int(rng.integers(100))))
    for name, each in net.params.items():
        net.params[name] = each.astype(dtype)
    return Case(
        lambda: net.loss(X, y, 0.1),
        lambda out: out[0],
        lambda out: {f"net.params['{name}']": out[1][name] for name in out[1]},
    )


@case
def layer_objects(rng, dtype):
    module = load("layer_objects")
    (W1, b1, W2, b2), X, y = network(rng, dtype)
    net = module.Model(W1, b1[None], W2, b2[None])
    return Case(
        lambda: net.step(X, y),
        lambda out: net.loss,
        lambda out: {
            f"net.{layer}.{name}": getattr(getattr(net, layer), f"d{name}")
            for layer in ("dense1", "dense2")
            for name in ("weights", "biases")
        },
    )


@case
def global_parameters(rng, dtype):
    module = load("global_parameters")
    for name in ("W1", "b1", "W2", "b2"):
        setattr(module, name, getattr(module, name).astype(dtype))
    X, y = normal(rng, dtype, 5, 3), rng.integers(0, 2, (5, 1)).astype(dtype)
    return Case(
        lambda: module.step(X, y),
        lambda out: out,
        lambda out: {name: getattr(module, f"d{name}") for name in ("W1", "b1", "W2", "b2")},
    )


@case
def flat_vector(rng, dtype):
    module = load("flat_vector")
    theta, X, y = normal(rng, dtype, 4 * 4 + 3 * 5), normal(rng, dtype, 6, 3), rng.integers(0, 3, 6)
    return Case(
        lambda: module.nn_cost(theta, 3, 4, 3, X, y, 0.3), lambda out: out[0], lambda out: {"theta": out[1]}
    )


@case
def lists_by_layer(rng, dtype):
    module = load("lists_by_layer")
    net = module.Network([4, 5, 3], rng)
    net.weights = [each.astype(dtype) for each in net.weights]
    net.biases = [each.astype(dtype) for each in net.biases]
    x, y = normal(rng, dtype, 4, 1), np.eye(3, dtype=dtype)[:, :1]

    def call():
        nabla = net.backprop(x, y)
        return 0.5 * np.sum((net.last - y) ** 2), nabla

    return Case(
        call,
        lambda out: out[0],
        lambda out: {
            f"net.{kind}[{i}]": out[1][j][i] for j, kind in enumerate(("biases", "weights")) for i in range(2)
        },
    )


@case
def moved_weights(rng, dtype):
    module = load("moved_weights")
    syn0, syn1 = normal(rng, dtype, 3, 4), normal(rng, dtype, 4, 1)
    X, y = normal(rng, dtype, 5, 3), rng.integers(0, 2, (5, 1)).astype(dtype)
    before = {"syn0": syn0.copy(), "syn1": syn1.copy()}

    def call():
        error = module.train(syn0, syn1, X, y)
        return 0.5 * np.sum(error**2)

    return Case(
        call, lambda out: out, lambda out: {"syn0": before["syn0"] - syn0, "syn1": before["syn1"] - syn1}
    )


@case
def training_at_import(rng, dtype):
    def call():
        module = load("training_at_import")
        return module.step(module.W1, module.W2, 1.0), module.W1, module.W2

    return Case(
        call,
        lambda out: out[0][0],
        lambda out: {0: (out[1], out[1] - out[0][1]), 1: (out[2], out[2] - out[0][2])},
    )


def pair(forward, backward, arguments, names, *extra):
    """⟨dout, out⟩ of a forward and backward function, and what backward gives."""
    shape = np.shape(forward(*[np.array(each) for each in arguments], *extra)[0])
    dout = np.cos(np.arange(np.prod(shape))).reshape(shape).astype(arguments[0].dtype)

    def call(*arguments):
        out, cache = forward(*arguments, *extra)
        return np.sum(out * dout), backward(dout, cache)

    def gradients(out):
        found = out[1] if isinstance(out[1], tuple) else (out[1],)
        return {f"arguments[{i}]": each for i, each in enumerate(found[: len(arguments)])}

    return Case(lambda: call(*arguments), lambda out: out[0], gradients)


def layer(name, file, forward, backward, shapes, *extra, positive=()):
    def build(rng, dtype):
        module = load(file)
        arguments = [normal(rng, dtype, *shape) for shape in shapes]
        return pair(getattr(module, forward), getattr(module, backward), arguments, None, *extra)

    build.__name__ = name
    CASES[name] = build


layer("affine", "cs231n_layers", "affine_forward", "affine_backward", [(3, 2, 2), (4, 5), (5,)])
layer("relu", "cs231n_layers", "relu_forward", "relu_backward", [(3, 4)])
layer(
    "batchnorm",
    "normalisation",
    "batchnorm_forward",
    "batchnorm_backward",
    [(5, 4), (4,), (4,)],
    {"mode": "train"},
)
layer(
    "batchnorm_alt",
    "normalisation",
    "batchnorm_forward",
    "batchnorm_backward_alt",
    [(5, 4), (4,), (4,)],
    {"mode": "train"},
)
layer("layernorm", "normalisation", "layernorm_forward", "layernorm_backward", [(5, 4), (4,), (4,)])
layer(
    "groupnorm",
    "normalisation",
    "spatial_groupnorm_forward",
    "spatial_groupnorm_backward",
    [(2, 4, 2, 3), (1, 4, 1, 1), (1, 4, 1, 1)],
    2,
)
layer(
    "convolution",
    "convolution_loops",
    "conv_forward_naive",
    "conv_backward_naive",
    [(2, 2, 4, 4), (2, 2, 3, 3), (2,)],
    {"stride": 2, "pad": 1},
)
layer(
    "pooling", "convolution_loops", "max_pool_forward_naive", "max_pool_backward_naive", [(2, 2, 4, 4)], 2, 2
)
layer("im2col", "convolution_im2col", "conv_forward", "conv_backward", [(2, 2, 3, 3), (3, 2, 3, 3), (3,)])
layer("rnn", "recurrent", "rnn_forward", "rnn_backward", [(2, 3, 4), (2, 5), (4, 5), (5, 5), (5,)])
layer("lstm", "recurrent", "lstm_forward", "lstm_backward", [(2, 3, 4), (2, 5), (4, 20), (5, 20), (20,)])
layer("gru", "recurrent", "gru_step", "gru_step_backward", [(2, 3), (2, 4), (7, 4), (7, 4), (7, 4)])
layer("gelu_block", "attention", "gelu_block_forward", "gelu_block_backward", [(2, 3, 4), (4, 6), (6, 4)])
