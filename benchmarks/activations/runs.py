"""One training run on CIFAR-10 with one activation, and what became of its hidden layer."""

from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from handgrad import TwoLayerNet
from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.data.datasets import Dataset
from handgrad.data.minibatches import Minibatch
from handgrad.fused.sgd import Sgd
from handgrad.runs.diagnostics import Diagnoser
from handgrad.two_layer_net import PARAMETERS

HIDDEN, BATCH, EPOCH = 100, 200, 245
# Steps, after the first epoch, over which it is seen how straight W2 goes.
WATCHED = 50
SMALL = 0.01  # of its learning rate, with which a run that lost units goes on: do they come back?

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
NOTES_RATES = (1e-3, 2e-3, 4e-3, 1e-2, 3e-2)
DYING = {True: (0.03, 0.1, 0.15, 0.2), False: (0.001, 0.003, 0.01, 0.03, 0.06, 0.1)}  # by Run.centred


@dataclass(frozen=True)
class Run:
    """The settings of one run.

    Attributes:
        activation: of the hidden layer.
        start: "He", "Glorot" or "notes": weights of std √(2/in), √(2/(in + out)) or 1e-4. The first two
            get pixels of standard deviation 1 and no penalty, the last one pixels from 0 to 255 and reg
            0.045.
        learning_rate: constant.
        seed: of weights and minibatches.
        epochs: of 245 steps.
        calm: epochs that follow with a hundredth of the learning rate.
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
        """What tells it from others."""
        return " ".join(map(str, asdict(self).values()))


def start_of(name: str) -> str:
    """The initialisation made for it: Glorot's for the two that saturate on both sides, He's for others."""
    return "Glorot" if name in ("sigmoid", "tanh") else "He"


def all_runs() -> list[Run]:
    """Every run, in the order in which they are made."""
    notes = [Run(name, "notes", rate, 0) for name, rate in product(ACTIVATIONS, NOTES_RATES)]
    own = [Run(name, start_of(name), rate, seed) for seed, name, rate in product((0, 1), ACTIVATIONS, RATES)]
    dying = [
        Run(name, "He", rate, seed, epochs=2, calm=2, centred=centred)
        for seed, name, centred in product((0, 1), ("relu", "leaky_relu"), (False, True))
        for rate in DYING[centred]
    ]
    return [*dying, *own, *notes]


@np.errstate(over="ignore", invalid="ignore")  # a network that diverges
def train(run: Run, data: Dataset) -> dict[str, Any]:
    """Train, and look at the network at the start and after every epoch.

    Returns:
        "epochs": a list of what was seen, the first before training, None for what was no number; "watched":
        how W2 moved in the steps after the first epoch; "diverged": whether the loss stopped being finite,
        which ends the run.
    """
    rng = np.random.default_rng(run.seed)
    D, C = data.X_train.shape[1], len(data.classes)
    pixel = 1.0 if run.start == "notes" else _spread(data)
    net = TwoLayerNet(D, HIDDEN, C, activation=run.activation, dtype=np.float32, rng=rng)
    for name, fan_in, fan_out in (("W1", D, HIDDEN), ("W2", HIDDEN, C)):
        net.params[name] *= np.float32(_std(run.start, fan_in, fan_out) / 1e-4)
    sgd = Sgd(net.params, BATCH, reg=0.045 if run.start == "notes" else 0.0, activation=run.activation)
    data = data if run.centred else replace(data, mean=np.zeros_like(data.mean))
    minibatch = Minibatch(data.X_train, data.y_train, BATCH, net.dtype, mean=data.mean)
    look = _Look(net, sgd, data, pixel)

    seen, losses, watched = [look.at(0, float("nan"))], [], _Watched()
    for step in range(EPOCH * (run.epochs + run.calm)):
        minibatch.gather(rng.integers(len(data.X_train), size=BATCH))
        if pixel != 1.0:
            np.multiply(minibatch.X, np.float32(1 / pixel), out=minibatch.X)
        rate = run.learning_rate * (1 if step < EPOCH * run.epochs else SMALL)
        if (step + 1) % EPOCH == 0:
            look.remember()
        losses.append(sgd.step(minibatch.X, minibatch.y, rate))
        if not np.isfinite(losses[-1]):
            return {"epochs": seen, "watched": watched.found(), "diverged": True}
        if EPOCH <= step < EPOCH + WATCHED:
            watched.add(sgd.params["W2"])
        if (step + 1) % EPOCH == 0:
            seen.append(look.at(step + 1, float(np.mean(losses[-EPOCH // 2 :]))))
    return {"epochs": seen, "watched": watched.found(), "diverged": False}


class _Look:
    """What there is to see of the network while it is trained on pixels that were divided by their spread."""

    def __init__(self, net: TwoLayerNet, sgd: Sgd, data: Dataset, pixel: float) -> None:
        self._net, self._sgd, self._data, self._pixel = net, sgd, data, pixel
        sample = np.linspace(0, len(data.X_train) - 1, 1000).astype(np.intp)
        self._part = data.X_train[sample], data.y_train[sample]
        self._diagnoser = Diagnoser(net, self._part, data.X_train, data.mean)
        self.remember()

    def remember(self) -> None:
        """The weights before a step."""
        self._before = self._unscaled()

    def at(self, step: int, loss: float) -> dict[str, Any]:
        self._net.params = self._unscaled()
        found = self._diagnoser.diagnose(self._before, step)._asdict()
        for part, (X, y) in (("train", self._part), ("val", (self._data.X_val, self._data.y_val))):
            found[part] = float(np.mean(self._net.predict(X, mean=self._data.mean) == y))
        return {name: None if np.isnan(value) else value for name, value in {**found, "loss": loss}.items()}

    def _unscaled(self) -> dict[str, np.ndarray]:
        """The same network for pixels from 0 to 255: dividing the weights is dividing the pixels."""
        params = {name: self._sgd.params[name].copy() for name in PARAMETERS}
        params["W1"] /= np.float32(self._pixel)
        return params


class _Watched:
    """How W2 moves from step to step."""

    def __init__(self) -> None:
        self._weights: list[np.ndarray] = []

    def add(self, W2: np.ndarray) -> None:
        self._weights.append(W2.astype(np.float64))

    def found(self) -> dict[str, float] | None:
        """Agreement of the signs within a class, cosine of one move with the next, and straightness.

        The agreement is |mean of the signs| of a move of one class's weights, 1 if all go one way; the
        straightness is the length of the whole way as the crow flies over that of its steps.
        """
        if len(self._weights) < WATCHED:
            return None
        moves = np.diff(np.array(self._weights), axis=0)
        length = np.linalg.norm(moves, axis=(1, 2))
        if not (length > 0).all():
            return None
        cosines = (moves[1:] * moves[:-1]).sum(axis=(1, 2)) / (length[1:] * length[:-1])
        return {
            "signs": float(np.abs(np.sign(moves).mean(axis=1)).mean()),
            "cosine": float(cosines.mean()),
            "straightness": float(np.linalg.norm(moves.sum(axis=0)) / length.sum()),
        }


def _std(start: str, fan_in: int, fan_out: int) -> float:
    if start == "notes":
        return 1e-4
    return float(np.sqrt(2 / fan_in if start == "He" else 2 / (fan_in + fan_out)))


def _spread(data: Dataset) -> float:
    """The standard deviation of all training pixels around the mean image."""
    sample = data.X_train[:: len(data.X_train) // 1000]
    return float(np.std(sample - data.mean))
