"""The pictures of a run, each as the bytes of a PNG."""

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer

from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.runs.diagnostics import SATURATED, Diagnostics
from handgrad.runs.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "TRAIN",
    "VALIDATION",
    "filter_images",
    "new_axes",
    "plot_accuracy",
    "plot_confusion",
    "plot_diagnostics",
    "plot_loss",
    "plot_weights",
    "png",
]

TRAIN, VALIDATION = "tab:blue", "tab:orange"
# The smallest length of a filter's longer side, and the distance between two filters, in pixels.
FILTER_PIXELS, SPACE = 48, 2
# The loss is also drawn as its mean over this many parts of the run; more points would hide one another.
CURVE_POINTS = 100
# Losses are clipped here, because a logarithmic axis computes a little beyond its ends and would overflow.
HIGHEST = 1e100


def plot_loss(history: History) -> bytes:
    """Draw the loss of every minibatch, and its mean over hundredths of the run."""
    figure, axes = new_axes("step", "loss, penalty included")
    losses = np.minimum(history.losses, HIGHEST)
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, color=TRAIN, alpha=0.3, linewidth=0.6, label="of each minibatch")
    parts = [part for part in np.array_split(steps, min(CURVE_POINTS, max(len(steps), 1))) if len(part)]
    means = [losses[part - 1].mean() for part in parts]
    axes.plot([part.mean() for part in parts], means, color=TRAIN, label=f"mean of {len(parts)} equal parts")
    if len(losses) and losses.min() > 0 and losses.max() > 20 * losses.min():
        axes.set_yscale("log")
    axes.legend()
    return png(figure)


def plot_accuracy(history: History) -> bytes:
    """Draw the accuracy on training and on validation images, and the gap between them."""
    figure, axes = new_axes("step", "accuracy (%)")
    steps = [evaluation.step for evaluation in history.evaluations]
    train = [100 * evaluation.train_accuracy for evaluation in history.evaluations]
    val = [100 * evaluation.val_accuracy for evaluation in history.evaluations]
    marker = "o" if len(steps) < 3 else None
    axes.plot(steps, train, color=TRAIN, marker=marker, label=_label("training", train, "%"))
    axes.plot(steps, val, color=VALIDATION, marker=marker, label=_label("validation", val, "%"))
    gap = [100 * evaluation.gap for evaluation in history.evaluations]
    axes.fill_between(steps, train, val, color="gray", alpha=0.2, label=_label("gap", gap, " points"))
    axes.legend(loc="lower right")
    return png(figure)


def plot_diagnostics(history: History, hidden: int, name: ActivationName) -> bytes:
    """Draw dead and saturated units, activations, adjoints, and the size of the updates."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    (fate, activation), (adjoint, update) = figure.subplots(2, 2, sharex=True)
    table = np.clip(history.to_arrays()["diagnostics"], -HIGHEST, HIGHEST)
    at = dict(zip(Diagnostics._fields, table.T, strict=True))
    step, marker = at["step"], "o" if len(table) < 3 else None

    def draw(axes: "Axes", field: str, label: str, color: str, factor: float = 1.0) -> None:
        axes.plot(step, factor * at[field], color=color, marker=marker, label=label)

    draw(fate, "saturated", f"activations with |slope| below {SATURATED:g}", TRAIN, 100)
    draw(fate, "dead_units", "units dead on all training images", "tab:red", 100 / hidden)
    fate.set_ylim(-2, 102)
    draw(activation, "activation_mean", "mean, and one standard deviation around it", TRAIN)
    reached = ACTIVATIONS[name].forward(np.append(np.linspace(-50, 50, 10_001), HIGHEST))
    band = [at["activation_mean"] + side * at["activation_std"] for side in (-1, 1)]
    lower, upper = np.clip(band, reached.min(), reached.max())
    activation.fill_between(step, lower, upper, color=TRAIN, alpha=0.2)
    draw(adjoint, "dh1_norm", "‖dh1‖", TRAIN)
    draw(adjoint, "dz1_norm", "‖dz1‖", VALIDATION)
    draw(adjoint, "dz1_to_dh1", "‖dz1‖ / ‖dh1‖", "gray")
    draw(update, "update_W1", "‖ΔW1‖ / ‖W1‖", TRAIN)
    draw(update, "update_W2", "‖ΔW2‖ / ‖W2‖", VALIDATION)
    titles = ("share (%)", "activations h1", "adjoints", "last step's update to weights")
    for axes, title in zip((fate, activation, adjoint, update), titles, strict=True):
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="center right")
    for axes in (adjoint, update):
        if any(np.any(line.get_ydata() > 0) for line in axes.lines):
            axes.set_yscale("log", nonpositive="mask")
        axes.set_xlabel("step")
    return png(figure)


def plot_weights(W1: Float[np.ndarray, "D H"], image_shape: tuple[int, int, int]) -> bytes:
    """Draw each hidden unit's weights as an image, each weight at its pixel, in colour for three channels.

    ``image_shape`` is (channels, height, width).
    """
    from matplotlib.image import imsave

    images = filter_images(W1, image_shape)
    enlarged = -(-FILTER_PIXELS // max(image_shape[1:]))
    images = images.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    count, height, width = images.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    picture = np.ones((rows * (height + SPACE) + SPACE, columns * (width + SPACE) + SPACE, 3))
    for unit, image in enumerate(images):
        top = SPACE + unit // columns * (height + SPACE)
        left = SPACE + unit % columns * (width + SPACE)
        picture[top : top + height, left : left + width] = image
    buffer = io.BytesIO()
    imsave(buffer, picture, format="png")
    return buffer.getvalue()


def filter_images(
    W1: Float[np.ndarray, "D H"], image_shape: tuple[int, int, int]
) -> Float[np.ndarray, "H height width channels"]:
    """Return each hidden unit's weights as an image: ½ for a weight of 0, 0 or 1 for the unit's largest."""
    channels, height, width = image_shape
    images = W1.T.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).astype(np.float64)
    largest = np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * images / np.where(largest > 0, largest, 1)


def plot_confusion(confusion: Integer[np.ndarray, "C C"], classes: tuple[str, ...]) -> bytes:
    """Draw the confusion matrix; a row's colours are the shares of its own images."""
    figure, axes = new_axes("predicted", "true", (8, 7), grid=False)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=9)
    positions = range(len(classes))
    axes.set_xticks(positions, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(positions, classes)
    figure.colorbar(image, label="share of the true class")
    return png(figure)


def new_axes(
    x: str, y: str, size: tuple[float, float] = (8, 5), *, grid: bool = True
) -> "tuple[Figure, Axes]":
    """Return an empty picture of a size in inches, with labelled axes, outside matplotlib's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if grid:
        axes.grid(alpha=0.3)
    return figure, axes


def _label(name: str, values: list[float], unit: str) -> str:
    return f"{name}, at last {values[-1]:.1f}{unit}" if values else name


def png(figure: "Figure") -> bytes:
    """Return a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
