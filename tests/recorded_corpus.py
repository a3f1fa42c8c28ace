"""The calls of the other programs of tests/programs/; with `recorded_networks` the whole corpus."""

import numpy as np
from recorded_networks import CASES, Case, case, load, network, normal

__all__ = ["CASES"]


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
