"""How each program of tests/programs/ is called, where its loss is, and which gradient belongs to which array."""

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


@case
def three_layer_svm(rng, dtype):
    module = load("cs231n_layers")
    sizes = {"W1": (4, 5), "b1": (5,), "W2": (5, 5), "b2": (5,), "W3": (5, 3), "b3": (3,)}
    net = module.ThreeLayerNet({name: normal(rng, dtype, *shape) for name, shape in sizes.items()})
    X, y = normal(rng, dtype, 6, 4), rng.integers(0, 3, 6)
    return Case(
        lambda: net.loss(X, y),
        lambda out: out[0],
        lambda out: {f"net.params['{n}']": g for n, g in out[1].items()},
    )


@case
def softmax_layer(rng, dtype):
    module = load("cs231n_layers")
    x, y = normal(rng, dtype, 5, 3), rng.integers(0, 3, 5)
    return Case(lambda: module.softmax_loss(x, y), lambda out: out[0], lambda out: {"x": out[1]})


@case
def dropout(rng, dtype):
    module = load("dropout")
    X, t, W1, W2 = (normal(rng, dtype, *s) for s in ((5, 3), (5, 2), (3, 6), (6, 2)))
    return Case(
        lambda: module.regression(X, t, W1, W2, {"p": 0.6, "mode": "train", "seed": 3}),
        lambda out: out[0],
        lambda out: {name[1:]: each for name, each in out[1].items()},
    )


@case
def captions(rng, dtype):
    module = load("recurrent")
    words = rng.integers(0, 6, (2, 4))
    sizes = {
        "embed": (6, 3),
        "h0": (2, 5),
        "Wx": (3, 5),
        "Wh": (5, 5),
        "b": (5,),
        "Wout": (5, 6),
        "bout": (6,),
    }
    given = {name: normal(rng, dtype, *shape) for name, shape in sizes.items()}
    return Case(
        lambda: module.caption_loss(words, **given),
        lambda out: out[0],
        lambda out: {f"given['{n}']": g for n, g in out[1].items()},
    )


@case
def attention(rng, dtype):
    module = load("attention")
    block = module.MultiHeadAttention(2, *(normal(rng, dtype, 4, 4) for _ in range(4)))
    x, dout = normal(rng, dtype, 2, 3, 4), normal(rng, dtype, 2, 3, 4)

    def call():
        out = block.forward(x)
        return np.sum(out * dout), block.backward(dout)

    return Case(
        call,
        lambda out: out[0],
        lambda out: {"x": out[1]} | {f"block.W{n}": getattr(block, f"dW{n}") for n in "qkvo"},
    )


@case
def char_rnn(rng, dtype):
    module = load("char_rnn")
    names = ("Wxh", "Whh", "Why", "bh", "by")
    for name in names:
        setattr(module, name, getattr(module, name).astype(dtype))
    state = normal(rng, dtype, 5, 1)
    inputs, targets = rng.integers(0, 4, 3).tolist(), rng.integers(0, 4, 3).tolist()
    return Case(
        lambda: module.loss_fun(inputs, targets, state),
        lambda out: out[0],
        lambda out: dict(zip(names, out[1:6], strict=True)),
    )


def _linear(name):
    def build(rng, dtype):
        function = getattr(load("linear_classifiers"), name)
        W, X, y = normal(rng, dtype, 4, 3), normal(rng, dtype, 5, 4), rng.integers(0, 3, 5)
        return Case(lambda: function(W, X, y, 0.1), lambda out: out[0], lambda out: {"W": out[1]})

    CASES[name] = build


for _name in ("softmax_loss_naive", "softmax_loss_vectorized", "svm_loss_naive", "svm_loss_vectorized"):
    _linear(_name)


@case
def least_squares(rng, dtype):
    module = load("constant_factors")
    X, t, W1, W2 = (normal(rng, dtype, *s) for s in ((5, 3), (5, 2), (3, 4), (4, 2)))
    return Case(
        lambda: module.least_squares(X, t, W1, W2, 0.2),
        lambda out: out[0],
        lambda out: {"W1": out[1][0], "W2": out[1][1]},
    )


@case
def logistic(rng, dtype):
    module = load("constant_factors")
    w, X, y = normal(rng, dtype, 3), normal(rng, dtype, 5, 3), rng.integers(0, 2, 5).astype(dtype)
    return Case(lambda: module.logistic(w, X, y), lambda out: out[0], lambda out: {"w": out[1]})


@case
def plain_python(rng, dtype):
    module = load("plain_python")
    w, b, rows = normal(rng, dtype, 3), normal(rng, dtype, 1), normal(rng, dtype, 5, 3)
    labels = rng.integers(0, 2, 5).tolist()
    return Case(
        lambda: module.neuron_loss(w, b, rows, labels),
        lambda out: out[0],
        lambda out: {"w": out[1], "b": out[2]},
    )


@case
def hinge_of_lists(rng, dtype):
    module = load("plain_python")
    weights, rows, labels = normal(rng, dtype, 3), normal(rng, dtype, 5, 3), [1, -1, 1, 1, -1]
    return Case(
        lambda: module.hinge_of_lists(weights, rows, labels),
        lambda out: out[0],
        lambda out: {"weights": out[1]},
    )


@case
def word_softmax(rng, dtype):
    module = load("word_vectors")
    center, vectors = normal(rng, dtype, 4), normal(rng, dtype, 5, 4)
    return Case(
        lambda: module.naive_softmax(center, 2, vectors),
        lambda out: out[0],
        lambda out: {"center": out[1], "vectors": out[2]},
    )


@case
def skipgram(rng, dtype):
    module = load("word_vectors")
    centers, outside = normal(rng, dtype, 4, 3), normal(rng, dtype, 5, 3)
    return Case(
        lambda: module.skipgram(centers, outside, 1, [0, 2, 2], [1, 3, 3]),
        lambda out: out[0],
        lambda out: {"centers": out[1], "outside": out[2]},
    )


@case
def in_place_buffers(rng, dtype):
    (W, _, V, _), X, y = network(rng, dtype)
    workspace = load("in_place_buffers").Workspace(X, 5, 3)
    return Case(lambda: workspace.run(X, y, W, V), lambda out: out[0], lambda out: {"W": out[1], "V": out[2]})


@case
def factorisation(rng, dtype):
    module = load("factorisation")
    P, Q = normal(rng, dtype, 3, 2), normal(rng, dtype, 4, 2)
    before = P.copy(), Q.copy()
    lr = dtype(0.5)
    return Case(
        lambda: module.epoch(P, Q, [(0, 1, dtype(0.5)), (1, 2, dtype(-0.3))], lr, dtype(0.1)),
        lambda out: out,
        lambda out: {"P": (before[0] - P) / lr, "Q": (before[1] - Q) / lr},
    )


@case
def policy_gradient(rng, dtype):
    module = load("policy_gradient")
    module.Policy.W1, module.Policy.W2 = normal(rng, dtype, 4, 5), normal(rng, dtype, 5)
    policy = module.Policy()
    observations, rewards = list(normal(rng, dtype, 6, 4)), normal(rng, dtype, 6)
    return Case(
        lambda: policy.episode(observations, [1, 0, 1, 1, 0, 0], rewards),
        lambda out: policy.objective,
        lambda out: {f"Policy.{name}": each for name, each in out.items()},
    )
