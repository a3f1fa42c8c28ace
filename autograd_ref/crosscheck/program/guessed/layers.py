"""Calls of layers and of networks of layers, by their parameters' names in CS231n's three assignments."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from typing import Any

from autograd_ref.crosscheck.program.guessed.networks import Guess
from autograd_ref.crosscheck.program.guessed.roles import role_of

__all__ = ["layer_calls"]


def _normal(*shape: int) -> str:
    return f"rng.standard_normal({shape})"


_SCALES = {
    "gamma": _normal(4),
    "beta": _normal(4),
    "eps": "1e-5",
    "bn_param|param|params": '{"mode": "train"}',
}
_IMAGES = {"x": _normal(2, 3, 6, 6), "w|filters?|kernels?": _normal(2, 3, 3, 3), "b|bias": _normal(2)}
_STRIDE = {
    "stride": "1", "pad|padding": "1", "conv_param|hparameters|params?": '{"stride": 1, "pad": 1}',
    "pool_param": '{"pool_height": 2, "pool_width": 2, "stride": 2}',
}  # fmt: skip
_POOLING = {
    "x": _normal(2, 3, 4, 4),
    "pool_param|params?|hparameters": '{"pool_height": 2, "pool_width": 2, "stride": 2}',
    "size|pool_?size|kernel_?size|k|f|pool_h(?:eight)?|pool_w(?:idth)?|stride|h|w": "2", "pad|padding": "0",
}  # fmt: skip
_CELL = {
    "x": _normal(2, 3),
    "(?:prev_|h_)?h(?:_?prev|prev)?|h0": _normal(2, 4),
    "(?:prev_|c_)?c(?:_?prev)?": _normal(2, 4),
}
_SEQUENCE = {"x": _normal(2, 5, 3), "h0|h_?init|h": _normal(2, 4), "c0": _normal(2, 4)}
_RNN = {"wx|wxh|u": _normal(3, 4), "wh|whh|w": _normal(4, 4), "b|bh": _normal(4)}
_LSTM = {"wx": _normal(3, 16), "wh": _normal(4, 16), "b": _normal(16)}
_AFFINE = {"w|weights?": _normal(12, 4), "b|bias": _normal(4)}

# Parts of function names, and their parameters; the first entry that has all of them is used.
LAYERS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("conv.*pool", {**_IMAGES, **_STRIDE, **_SCALES, "gamma": _normal(2), "beta": _normal(2)}),
    ("conv", {**_IMAGES, **_STRIDE, **_SCALES, "gamma": _normal(2), "beta": _normal(2)}),
    ("pool", _POOLING),
    ("spatial.*group", {"x": _normal(2, 4, 3, 2), "gamma|beta": _normal(1, 4, 1, 1), "g|groups": "2",
                        "gn_param|params?": "{}", "eps": "1e-5"}),
    ("spatial.*(?:norm|bn)", {"x": _normal(2, 4, 3, 2), **_SCALES, "ln_param|gn_param": "{}"}),
    ("affine.*(?:norm|bn|ln)", {"x": _normal(5, 3, 4), **_AFFINE, **_SCALES, "ln_param": "{}"}),
    ("norm|bn|^ln", {"x": _normal(5, 4), **_SCALES, "ln_param": "{}", "mode": '"train"', "momentum": "0.9"}),
    ("drop", {"x": _normal(5, 4), "dropout_param|params?": '{"mode": "train", "p": 0.6, "seed": 1}',
              "p|keep_prob|rate|prob": "0.6", "mode": '"train"', "train(?:ing|_flg)?": "True"}),
    ("lstm.*step|lstm_cell", {**_CELL, **_LSTM}),
    ("rnn.*step|rnn_cell", {**_CELL, **_RNN}),
    ("gru.*(?:step|cell)", {**_CELL, "w[a-z]": _normal(7, 4), "b[a-z]": _normal(4)}),
    ("lstm", {**_SEQUENCE, **_LSTM}),
    ("rnn", {**_SEQUENCE, **_RNN}),
    ("embed", {"x|captions|idx|indices|words": "rng.integers(0, 6, (2, 3))",
               "w|embed\\w*|weights?": _normal(6, 4)}),
    ("temporal.*(?:affine|fc)", {"x": _normal(2, 3, 4), "w": _normal(4, 5), "b": _normal(5)}),
    ("temporal.*loss", {"x": _normal(2, 3, 4), "y": "rng.integers(0, 4, (2, 3))",
                        "mask": "rng.random((2, 3)) < 0.7", "verbose": "False"}),
    ("attention|transformer", {"x|q(?:uery)?|k(?:ey)?|v(?:alue)?": _normal(2, 3, 4),
                               "w_?[qkvo]\\w*|w": _normal(4, 4), "b_?[qkvo]\\w*|b": _normal(4),
                               "(?:num_|n_)?heads": "2", "mask": "None"}),
    ("affine|linear|dense|fully|^fc", {"x": _normal(5, 3, 4), **_AFFINE}),
    ("affine|linear|dense|fully|^fc", {"x": _normal(5, 12), **_AFFINE}),
    ("loss|entropy|hinge|svm|mse|softmax", {"x|scores?|logits|f|z": _normal(5, 3),
                                            "y": "rng.integers(0, 3, 5)"}),
    ("loss|entropy|hinge|svm|mse|softmax", {"x|scores?|logits|f|z|pred\\w*|y_pred|y_hat|out": _normal(5, 3),
                                            "y|y_true|targets?|labels?": "np.eye(3)[rng.integers(0, 3, 5)]"}),
    ("position", {"x": _normal(2, 3, 4), "pe": _normal(1, 5, 4)}),
    ("block|mlp|ffn|feed", {"x": _normal(2, 3, 4), "w1": _normal(4, 6), "w2": _normal(6, 4), "b1": _normal(6),
                            "b2": _normal(4)}),
    ("relu|sigmoid|tanh|elu|swish|silu|softplus|mish|softmax|activation", {"x|z|a|inputs?": _normal(4, 5)}),
)  # fmt: skip

# Parts of class names, and the parameters of their constructors and losses.
NETWORKS: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
    ("conv|cnn", {"input_dim|input_shape": "(2, 4, 6)", "(?:num|n)_filters": "5", "filter_size": "3",
                  "hidden_(?:dim|size)": "6", "num_classes|output_(?:dim|size)": "4", "weight_scale": "0.5",
                  "reg": "0.1", "dtype": "np.float64"},
     {"x": _normal(3, 2, 4, 6), "y": "rng.integers(0, 4, 3)", "reg": "0.1"}),
    ("caption", {"word_to_idx": '{"<NULL>": 0, "<START>": 1, "<END>": 2, "a": 3, "b": 4}', "input_dim": "3",
                 "wordvec_dim": "4", "hidden_dim": "6", "dtype": "np.float64"},
     {"features": _normal(2, 3), "captions": "rng.integers(0, 5, (2, 4))"}),
)  # fmt: skip

_INPUTS = ("x", "inputs", "inp", "data", "a", "a_prev", "z", "input", "features")


def layer_calls(space: Any, name: str) -> Iterator[Guess]:
    """Yield calls of a layer.

    Args:
        space: the module, or another object with the name.
        name: name of a function.

    Yields:
        Calls, the most usual first.
    """
    function = reduce(getattr, name.split("."), space)
    if inspect.isclass(function):
        yield from _of_class(function, name)
        return
    for pattern, shapes in LAYERS:
        if re.search(pattern, name.lower()) and (texts := _texts(function, shapes)) is not None:
            yield Guess(name, f"{name}({', '.join(texts)})")


def _of_class(cls: Any, name: str) -> Iterator[Guess]:
    """Yield calls of the loss of a network that has arrays in ``params``."""
    loss: Any = getattr(cls, "loss", None)
    for pattern, made, called in NETWORKS if callable(loss) else ():
        if not re.search(pattern, name.lower()):
            continue
        arguments = _texts(cls, made, every=True)
        given = _texts(partial(loss, None), called)
        if arguments is not None and given is not None:
            drawn = "for p in net.params.values(): p[...] = 0.5 * rng.standard_normal(p.shape)"
            yield Guess(
                f"{name}.loss", f"net = {name}({', '.join(arguments)})\n{drawn}\nnet.loss({', '.join(given)})"
            )


def _texts(
    function: Callable[..., Any], shapes: Mapping[str, str], *, every: bool = False
) -> list[str] | None:
    """Return the arguments, with the optional ones if wanted; None if the table lacks a required one."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    found: list[str] = []
    for name, each in parameters.items():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        text = _text(name, shapes)
        is_asked = every or role_of(name) in ("inputs", "labels")
        if each.default is not each.empty and (text is None or not is_asked):
            continue
        if text is None:
            return None
        found.append(f"{name}={text}" if every or each.kind is each.KEYWORD_ONLY else text)
    return found


def _text(name: str, shapes: Mapping[str, str]) -> str | None:
    low = name.lower().strip("_")
    exact = next((text for key, text in shapes.items() if re.fullmatch(key, low)), None)
    return shapes.get("x") if exact is None and low in _INPUTS else exact
