"""The roles of the parameters of a network's functions, by their usual names."""

import re

__all__ = ["METHODS", "TRAINED", "TRAINING", "is_size", "is_sizes", "numbered", "role_of"]


# Usual names of the method that computes the gradients, in the order in which they are tried.
METHODS = (
    "loss", "gradient", "gradients", "grad", "grads", "compute_gradients", "compute_gradient",
    "loss_and_grad", "loss_and_gradient", "loss_and_gradients", "loss_grad", "cost", "cost_and_grad",
    "cost_function", "backprop", "back_propagation", "backpropagation", "step", "train_step", "train_batch",
    "train_on_batch", "forward_backward", "forward", "fwd", "fprop", "__call__",
)  # fmt: skip

# Usual names of the method that trains.
TRAINING = ("fit", "train", "learn")

# The roles of arrays that get a gradient.
TRAINED = frozenset(("weight", "bias", "parameters"))

_INPUTS = {
    "x", "xs", "data", "inputs", "input", "features", "images", "samples", "feats", "x_train", "x_batch",
    "xtrain", "xbatch", "x_data", "input_data", "train_x", "a0", "batch_x", "xb", "x_in",
    "data_in", "training_inputs",
}  # fmt: skip
_LABELS = {
    "y", "ys", "t", "target", "targets", "labels", "label", "y_true", "y_train", "y_batch", "ytrain", "truth",
    "ground_truth", "gt", "train_y", "batch_y", "yb", "outputs", "expected", "desired", "y_onehot", "onehot",
    "one_hot", "y_one_hot", "y_enc", "classes", "t_train", "t_batch", "training_outputs",
}  # fmt: skip
_PENALTIES = {
    "reg", "lam", "lambda_", "lambd", "lmbda", "lamda", "lambda_reg", "lambda1", "l2", "l2_reg", "reg_lambda",
    "weight_decay", "wd", "reg_strength", "regularization", "l2_lambda", "penalty", "decay", "regularisation",
    "weight_decay_lambda", "reg_param", "gamma", "alpha", "mu",
}  # fmt: skip
_RATES = {"lr", "learning_rate", "eta", "step_size", "rate", "learningrate", "epsilon_lr"}
_PARAMETERS = {
    "params",
    "parameters",
    "param",
    "p",
    "weights",
    "theta",
    "model",
    "net",
    "network",
    "wts",
    "ps",
}
_COUNTS = {"num_classes", "n_classes", "classes_count", "k", "num_labels", "c", "n_out", "output_dim"}
_EPSILONS = {"eps", "epsilon", "tiny"}
_WEIGHT = re.compile(
    r"^(?:w|weights?|thetas?|kernels?|syn(?:apse)?|u|v|coefs?|coefficients)(?:_?(?:\d+|[a-z]{1,3}|in|hidden|"
    r"hid|out|output|input))?$"
)
_BIAS = re.compile(r"^(?:b|bias(?:es)?|intercepts?)(?:_?(?:\d+|[a-z]{1,3}|in|hidden|hid|out|output|input))?$")
_SIZE = re.compile(
    r"^(?:n|num|d|dim|size|nb)?_?(?:x|h\d?|y|in|out|d_in|d_out|input|hidden|output|inputs|outputs|features|"
    r"classes|units|neurons|d|c|k|n)(?:_?(?:\d|size|dim|dims|nodes|layer|layer_size|units|features|"
    r"neurons|count|channels))*$"
)
_SIZES = {"sizes", "layers", "layer_sizes", "layer_dims", "dims", "layers_dims", "layer_dimensions",
          "shape", "architecture", "arch", "layers_size", "layer_size", "units", "layers_sizes",
          "dimensions"}  # fmt: skip
_HIDDEN = {"hidden_dims", "hidden_sizes", "hidden_layers", "hidden_layer_sizes", "hidden_units",
           "hidden_size_list", "hidden"}  # fmt: skip


def role_of(name: str) -> str:
    """Return the role of a parameter.

    Returns:
        "inputs", "labels", "penalty", "rate", "parameters", "weight", "bias", "count", "epsilon" or "other".
    """
    low = name.lower().strip("_")
    for role, names in (
        ("inputs", _INPUTS),
        ("labels", _LABELS),
        ("rate", _RATES),
        ("parameters", _PARAMETERS),
        ("penalty", _PENALTIES | {"lambda"}),
        ("count", _COUNTS),
        ("epsilon", _EPSILONS),
    ):
        if low in names:
            return role
    if _WEIGHT.match(low):
        return "weight"
    return "bias" if _BIAS.match(low) else "other"


def is_sizes(name: str) -> str | None:
    """Return the sizes that a constructor's parameter lists, "all" or "hidden"; None if it is not a list."""
    low = name.lower()
    return "all" if low in _SIZES else "hidden" if low in _HIDDEN else None


def is_size(name: str) -> str | None:
    """Return the size that a constructor's parameter is: "input", "hidden", "output" or "some"; or None."""
    low = name.lower()
    if _SIZE.match(low) is None:
        return None
    if re.search(r"hid|(?:^|_)h\d?(?:_|$)", low):
        return "hidden"
    if re.search(r"out|class|(?:^|_)[yck](?:_|$)", low):
        return "output"
    return "input" if re.search(r"in|feat|(?:^|_)[xd](?:_|$)", low) else "some"


def numbered(names: list[str]) -> list[str]:
    """Return names in the order of their numbers, if each has one, or else unchanged."""
    numbers = [re.search(r"(\d+)$", name) for name in names]
    if not all(numbers):
        return names
    return sorted(names, key=lambda name: int(re.search(r"(\d+)$", name)[1]))  # type: ignore[index]
