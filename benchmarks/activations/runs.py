"""Training runs on CIFAR-10 with each activation, and the state of the hidden layer in each."""

from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import get_args

import numpy as np

from handgrad import TwoLayerNet
from handgrad.activations import ActivationName
from handgrad.data.datasets import Dataset
from handgrad.data.minibatches import Minibatch
from handgrad.fused.sgd import Sgd
from handgrad.runs.diagnostics import Diagnoser
from handgrad.two_layer_net import PARAMETERS

HIDDEN, BATCH, EPOCH = 100, 200, 245
SMALL = 0.01  # factor of the learning rate in the calm epochs: do dead units come back?
MEASURED = ("dead_units", "saturated", "activation_mean", "dz1_to_dh1")  # of `Diagnostics`

NAMES: tuple[ActivationName, ...] = get_args(ActivationName)
RELUS: tuple[ActivationName, ...] = ("relu", "leaky_relu")
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
NOTES_RATES = (1e-3, 2e-3, 4e-3, 1e-2, 3e-2)
DYING = {True: (0.03, 0.1, 0.15, 0.2), False: (0.001, 0.003, 0.01, 0.03, 0.06, 0.1)}  # by Run.centred


@dataclass(frozen=True)
class Run:
    """The settings of one run.

    Attributes:
        activation: the hidden layer's activation.
        start: "He", "Glorot" or "notes": weights of std √(2/in), √(2/(in + out)) or 1e-4. The first two have
            pixels of standard deviation 1 and no penalty, the last has pixels from 0 to 255 and reg 0.045.
        learning_rate: constant learning rate.
        seed: seed of weights and minibatches.
        epochs: number of epochs of 245 steps.
        calm: number of epochs after that with a hundredth of the learning rate.
        centred: whether the mean image is subtracted.
    """

    activation: ActivationName
    start: str
    learning_rate: float
    seed: int
    epochs: int = 4
    calm: int = 0
    centred: bool = True

    @property
    def key(self) -> str:
        """All settings as text, which is the name of the run in activations.json."""
        return " ".join(map(str, asdict(self).values()))


@dataclass
class RunResult:
    """The measurements of a run.

    Attributes:
        diverged: whether the loss stopped being finite, which ended the run.
        epochs: values of each quantity at the start and after every epoch; None for NaN. ``loss`` is the mean
            over the last half epoch's minibatches, ``val`` the validation accuracy; the others are fields of
            `handgrad.runs.diagnostics.Diagnostics`.
    """

    diverged: bool = False
    epochs: dict[str, list[float | None]] = field(
        default_factory=lambda: {name: [] for name in ("loss", "val", *MEASURED)}
    )


def start_of(name: str) -> str:
    """Return the initialization made for an activation: Glorot for sigmoid and tanh, He for the others."""
    return "Glorot" if name in ("sigmoid", "tanh") else "He"


def all_runs() -> list[Run]:
    """Return all runs, in the order of training."""
    notes = [Run(name, "notes", rate, 0) for name, rate in product(NAMES, NOTES_RATES)]
    own = [Run(name, start_of(name), rate, seed) for seed, name, rate in product((0, 1), NAMES, RATES)]
    dying = [
        Run(name, "He", rate, seed, epochs=2, calm=2, centred=centred)
        for seed, name, centred in product((0, 1), RELUS, (False, True))
        for rate in DYING[centred]
    ]
    return [*dying, *own, *notes]


@np.errstate(over="ignore", invalid="ignore")  # a network that diverges
def train(run: Run, data: Dataset) -> RunResult:
    """Train, and measure the network at the start and after every epoch."""
    rng = np.random.default_rng(run.seed)
    D, C = data.X_train.shape[1], len(data.classes)
    notes = run.start == "notes"
    # The standard deviation of the training pixels around the mean image.
    pixel = 1.0 if notes else float(np.std(data.X_train[:: len(data.X_train) // 1000] - data.mean))
    net = TwoLayerNet(D, HIDDEN, C, activation=run.activation, dtype=np.float32, rng=rng)  # std is 1e-4
    if not notes:
        for name, fan_in, fan_out in (("W1", D, HIDDEN), ("W2", HIDDEN, C)):
            std = np.sqrt(2 / fan_in if run.start == "He" else 2 / (fan_in + fan_out))
            net.params[name] *= np.float32(std / 1e-4)
    sgd = Sgd(net.params, BATCH, reg=0.045 if notes else 0.0, activation=run.activation)
    data = data if run.centred else replace(data, mean=np.zeros_like(data.mean))
    minibatch = Minibatch(data.X_train, data.y_train, BATCH, net.dtype, mean=data.mean)
    sample = np.linspace(0, len(data.X_train) - 1, 1000).astype(np.intp)
    diagnoser = Diagnoser(net, (data.X_train[sample], data.y_train[sample]), data.X_train, data.mean)

    result, losses = RunResult(), [float("nan")]
    for step in range(EPOCH * (run.epochs + run.calm) + 1):
        if step % EPOCH == 0:
            net.params = {name: sgd.params[name].copy() for name in PARAMETERS}
            net.params["W1"] /= np.float32(pixel)  # the same network, for pixels from 0 to 255
            measured = diagnoser.diagnose(net.params, step)._asdict()
            measured["loss"] = float(np.mean(losses[-EPOCH // 2 :]))
            measured["val"] = float(np.mean(net.predict(data.X_val, mean=data.mean) == data.y_val))
            for name, values in result.epochs.items():
                values.append(None if np.isnan(measured[name]) else measured[name])
        minibatch.gather(rng.integers(len(data.X_train), size=BATCH))
        minibatch.X *= np.float32(1 / pixel)
        rate = run.learning_rate * (1 if step < EPOCH * run.epochs else SMALL)
        losses.append(sgd.step(minibatch.X, minibatch.y, rate))
        if not np.isfinite(losses[-1]):
            result.diverged = True
            break
    return result
