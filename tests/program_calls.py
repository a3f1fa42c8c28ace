"""The command line for every program of tests/programs/: the target and at most one --call."""

from typing import NamedTuple

__all__ = ["CALLS", "Called"]


class Called(NamedTuple):
    """One command.

    Attributes:
        target: file and name.
        call: for --call.
        loss: for --loss.
        backward: for --backward.
        gradients: how many arrays have a gradient.
    """

    target: str
    call: str
    gradients: int
    loss: str | None = None
    backward: str | None = None


def _draws(*shapes: tuple[int, ...]) -> str:
    return f"*[0.7 * rng.standard_normal(s) for s in {shapes}]"


_NETWORK = _draws((4, 5), (5,), (5, 3), (3,))
_X, _Y = "rng.standard_normal((6, 4))", "rng.integers(0, 3, 6)"
_RECURRENT = {
    "rnn": _draws((6, 3, 4), (6, 5), (4, 5), (5, 5), (5,)),
    "lstm": _draws((6, 3, 4), (6, 5), (4, 20), (5, 20), (20,)),
}
_CAPTIONS = _draws((3, 4), (6, 5), (4, 5), (5, 5), (5,), (5, 3), (3,))
_SQUARES = _draws((4, 4), (4, 4), (4, 4), (4, 4))
_WORDS = "rng.integers(0, 4, 3).tolist()"
_NORMAL = _draws((6, 5), (5,), (5,))

CALLS = {
    "two_layer_function": Called(
        "two_layer_function:two_layer_loss", f"two_layer_loss({_NETWORK}, {_X}, {_Y}, 0.1)", 4
    ),
    "two_layer_class": Called(
        "two_layer_class:TwoLayerNet.loss", f"net = TwoLayerNet(4, 5, 3, 0.5); net.loss({_X}, {_Y}, 0.1)", 4
    ),
    "layer_objects": Called(
        "layer_objects:Model.step", f"Model({_draws((4, 5), (1, 5), (5, 3), (1, 3))}).step({_X}, {_Y})", 4
    ),
    "global_parameters": Called(
        "global_parameters:step",
        "step(rng.standard_normal((5, 3)), rng.integers(0, 2, (5, 1)).astype(float))",
        4,
    ),
    "flat_vector": Called(
        "flat_vector:nn_cost",
        f"nn_cost(rng.standard_normal(31), 3, 4, 3, rng.standard_normal((6, 3)), {_Y}, 0.3)",
        1,
    ),
    "lists_by_layer": Called(
        "lists_by_layer:Network.backprop",
        "Network([4, 5, 3], rng).backprop(rng.standard_normal((4, 1)), np.eye(3)[:, :1])",
        4,
        loss="0.5 * np.sum((activations[-1] - y) ** 2)",
    ),
    "moved_weights": Called(
        "moved_weights:train",
        f"train({_draws((3, 4), (4, 1), (5, 3))}, rng.integers(0, 2, (5, 1)).astype(float))",
        2,
        loss="0.5 * np.sum(out ** 2)",
    ),
    "training_at_import": Called("training_at_import:step", "step(W1, W2)", 2),
    "affine": Called("cs231n_layers:affine_forward", f"affine_forward({_draws((6, 2, 2), (4, 5), (5,))})", 3),
    "relu": Called("cs231n_layers:relu_forward", "relu_forward(rng.standard_normal((6, 5)))", 1),
    "three_layer_svm": Called(
        "cs231n_layers:ThreeLayerNet.loss",
        "sizes = {'W1': (4, 5), 'b1': (5,), 'W2': (5, 5), 'b2': (5,), 'W3': (5, 3), 'b3': (3,)}\n"
        f"ThreeLayerNet({{k: rng.standard_normal(s) for k, s in sizes.items()}}).loss({_X}, {_Y})",
        6,
    ),
    "softmax_layer": Called(
        "cs231n_layers:softmax_loss", "softmax_loss(rng.standard_normal((6, 3)), rng.integers(0, 3, 6))", 1
    ),
    "batchnorm": Called(
        "normalisation:batchnorm_forward", f"batchnorm_forward({_NORMAL}, {{'mode': 'train'}})", 3
    ),
    "batchnorm_alt": Called(
        "normalisation:batchnorm_forward",
        f"batchnorm_forward({_NORMAL}, {{'mode': 'train'}})",
        3,
        backward="batchnorm_backward_alt",
    ),
    "layernorm": Called("normalisation:layernorm_forward", f"layernorm_forward({_NORMAL})", 3),
    "groupnorm": Called(
        "normalisation:spatial_groupnorm_forward",
        f"spatial_groupnorm_forward({_draws((2, 4, 2, 3), (1, 4, 1, 1), (1, 4, 1, 1))}, 2)",
        3,
    ),
    "convolution": Called(
        "convolution_loops:conv_forward_naive",
        f"conv_forward_naive({_draws((2, 2, 4, 4), (2, 2, 3, 3), (2,))}, {{'stride': 2, 'pad': 1}})",
        3,
    ),
    "pooling": Called(
        "convolution_loops:max_pool_forward_naive", f"max_pool_forward_naive({_draws((2, 2, 4, 4))}, 2, 2)", 1
    ),
    "im2col": Called(
        "convolution_im2col:conv_forward", f"conv_forward({_draws((2, 2, 3, 3), (3, 2, 3, 3), (3,))})", 3
    ),
    "rnn": Called("recurrent:rnn_forward", f"rnn_forward({_RECURRENT['rnn']})", 5),
    "lstm": Called("recurrent:lstm_forward", f"lstm_forward({_RECURRENT['lstm']})", 5),
    "gru": Called(
        "recurrent:gru_step",
        f"gru_step({_draws((6, 4), (6, 5), (9, 5), (9, 5), (9, 5))})",
        5,
    ),
    "captions": Called(
        "recurrent:caption_loss",
        f"caption_loss(rng.integers(0, 3, (6, 4)), {_CAPTIONS})",
        7,
    ),
    "gelu_block": Called(
        "attention:gelu_block_forward", f"gelu_block_forward({_draws((2, 3, 4), (4, 6), (6, 4))})", 3
    ),
    "attention": Called(
        "attention:MultiHeadAttention.forward",
        f"MultiHeadAttention(2, {_SQUARES}).forward(rng.standard_normal((2, 3, 4)))",
        5,
    ),
    "dropout": Called(
        "dropout:regression",
        f"regression({_draws((6, 4), (6, 3), (4, 5), (5, 3))}, {{'p': 0.6, 'mode': 'train', 'seed': 3}})",
        2,
    ),
    "char_rnn": Called(
        "char_rnn:loss_fun",
        f"loss_fun({_WORDS}, {_WORDS}, rng.standard_normal((5, 1)))",
        5,
    ),
    **{
        name: Called(
            f"linear_classifiers:{name}",
            f"{name}({_draws((4, 3), (6, 4))}, rng.integers(0, 3, 6), 0.1)",
            1,
        )
        for name in ("softmax_loss_naive", "softmax_loss_vectorized", "svm_loss_naive", "svm_loss_vectorized")
    },
    "least_squares": Called(
        "constant_factors:least_squares", f"least_squares({_draws((6, 4), (6, 3), (4, 5), (5, 3))}, 0.2)", 2
    ),
    "logistic": Called(
        "constant_factors:logistic",
        f"logistic({_draws((4,), (6, 4))}, rng.integers(0, 2, 6).astype(float))",
        1,
    ),
    "neuron_loss": Called(
        "plain_python:neuron_loss",
        f"neuron_loss({_draws((3,), (1,), (5, 3))}, rng.integers(0, 2, 5).tolist())",
        2,
    ),
    "hinge_of_lists": Called(
        "plain_python:hinge_of_lists", f"hinge_of_lists({_draws((3,), (5, 3))}, [1, -1, 1, 1, -1])", 1
    ),
    "word_softmax": Called(
        "word_vectors:naive_softmax",
        "naive_softmax(rng.standard_normal(4), 2, rng.standard_normal((5, 4)))",
        2,
    ),
    "skipgram": Called(
        "word_vectors:skipgram", f"skipgram({_draws((4, 3), (5, 3))}, 1, [0, 2, 2], [1, 3, 3])", 2
    ),
    "in_place_buffers": Called(
        "in_place_buffers:Workspace.run",
        f"X = {_X}; Workspace(X, 5, 3).run(X, {_Y}, {_draws((4, 5), (5, 3))})",
        2,
    ),
    "factorisation": Called(
        "factorisation:epoch", f"epoch({_draws((3, 2), (4, 2))}, [(0, 1, 0.5), (1, 2, -0.3)], 0.5, 0.1)", 2
    ),
    "policy_gradient": Called(
        "policy_gradient:Policy.episode",
        "Policy().episode(list(rng.standard_normal((6, 4))), [1, 0, 1, 1, 0, 0], rng.standard_normal(6))",
        2,
    ),
}
