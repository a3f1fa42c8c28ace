"""A network in training, with everything that a step passes to the next and a checkpoint must contain."""

import json
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Integer, Shaped

from handgrad.data.datasets import Dataset
from handgrad.data.minibatches import Minibatch
from handgrad.fused.sgd import Sgd
from handgrad.runs.config import Config
from handgrad.runs.diagnostics import Diagnoser
from handgrad.runs.history import Evaluation, History
from handgrad.two_layer_net import TwoLayerNet
from handgrad.validation import check_dtype

__all__ = [
    "DivergedError",
    "Trainer",
    "accuracy",
    "draw_network",
    "evaluation_parts",
    "make_minibatch",
    "random_streams",
]

# A run evaluates at most this often, and at most once per epoch, because accuracies take time.
EVALUATIONS = 100


class DivergedError(Exception):
    """The loss or a parameter is no longer finite: the learning rate was too large."""


class Trainer:
    """The network, the optimizer, the random streams and the history of one run.

    ``mean`` (D,) is subtracted from every image.
    """

    def __init__(self, config: Config, data: Dataset) -> None:
        """Draw the initial weights, without taking a step."""
        self._rngs = random_streams(config.seed)
        self.config, self.mean, self.history = config, data.mean, History()
        self.net = draw_network(config, data, self._rngs.pop("weights"))
        self._sgd = Sgd(
            self.net.params,
            config.batch,
            reg=config.reg,
            momentum=config.momentum,
            nesterov=config.nesterov,
            dropout=config.dropout,
            rng=self._rngs["dropout"],
            activation=config.activation,
        )
        self.net.params = dict(self._sgd.params)
        self._minibatch = make_minibatch(config, data, self._rngs["flips"])

        steps_per_epoch = max(len(data.X_train) // config.batch, 1)
        self.learning_rates = config.learning_rates(steps_per_epoch)
        self._evaluation_interval = max(steps_per_epoch, math.ceil(config.iters / EVALUATIONS))
        self._parts = evaluation_parts(data)
        self._diagnoser = Diagnoser(self.net, self._parts[0], data.X_train, data.mean)
        self._rows = len(data.X_train)

    @property
    def steps(self) -> int:
        """The number of steps taken."""
        return len(self.history.losses)

    @property
    def done(self) -> bool:
        """Whether all steps were taken."""
        return self.steps >= self.config.iters

    def step(self) -> None:
        """Take a step, and measure accuracies and diagnostics when they are due.

        Raises:
            DivergedError: the loss is infinite or NaN; the history ends with the last finite loss.
        """
        self._minibatch.gather(self._rngs["sampling"].integers(self._rows, size=self.config.batch))
        due = self.steps + 1 == self.config.iters or (self.steps + 1) % self._evaluation_interval == 0
        before = {name: self.net.params[name].copy() for name in ("W1", "W2") if due}
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self._sgd.step(self._minibatch.X, self._minibatch.y, self.learning_rates(self.steps))
            if not math.isfinite(loss):
                raise DivergedError(self._say_diverged(f"the loss is {loss}", self.steps + 1))
            self.history.losses.append(loss)
            if due:
                accuracies = (accuracy(self.net, *part, self.mean) for part in self._parts)
                self.history.evaluations.append(Evaluation(self.steps, *accuracies))
                self.history.diagnostics.append(self._diagnoser.diagnose(before, self.steps))

    def check_finite(self) -> None:
        """Raise DivergedError unless every parameter is finite: only such a state is worth keeping."""
        for name, q in self.net.params.items():
            if not np.isfinite(q).all():
                raise DivergedError(self._say_diverged(f"{name} is no longer finite", self.steps))

    def state(self) -> dict[str, np.ndarray]:
        """Return everything the next steps depend on, and the history, as named arrays."""
        rngs = {name: rng.bit_generator.state for name, rng in self._rngs.items()}
        return {
            **self.net.params,
            **self._velocities(),
            **self.history.to_arrays(),
            "mean": self.mean,
            "activation": np.array(self.net.activation),
            "rngs": np.array(json.dumps(rngs)),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Restore a state from `state`; training continues from there bit for bit.

        Raises:
            ValueError: the state belongs to another network, or to other images.
        """
        into = {**self._sgd.params, **self._velocities()}
        names = {*into, *History().to_arrays(), "mean", "activation", "rngs"}
        if set(state) != names:
            raise ValueError(f"contains {', '.join(sorted(state))}, not {', '.join(sorted(names))}")
        for name, q in [*into.items(), ("mean", self.mean)]:
            if (state[name].shape, state[name].dtype) != (q.shape, q.dtype):
                raise ValueError(
                    f"contains {name} as {state[name].dtype} {state[name].shape}, not as {q.dtype} {q.shape}"
                )
        if (theirs := str(state["activation"])) != self.net.activation:
            raise ValueError(f"belongs to a network with {theirs}, not {self.net.activation}")
        if not np.array_equal(state["mean"], self.mean):
            raise ValueError("belongs to other training images, with another mean")
        for name, rng_state in json.loads(str(state["rngs"])).items():
            self._rngs[name].bit_generator.state = rng_state
        for name, q in into.items():
            q[...] = state[name]
        self.history = History.from_arrays(state["losses"], state["evaluations"], state["diagnostics"])
        self._sgd.steps = self.steps

    def _velocities(self) -> dict[str, np.ndarray]:
        return {f"velocity_{name}": v for name, v in self._sgd.velocity.items()}

    def _say_diverged(self, what: str, step: int) -> str:
        losses = self.history.losses
        last = f"the last finite loss was {losses[-1]:.6g}" if losses else "no loss was finite"
        rate = self.learning_rates(step - 1)
        return f"diverged at step {step} of {self.config.iters}, learning rate {rate:.4g}: {what}; {last}"


def random_streams(seed: int) -> dict[str, np.random.Generator]:
    """Return the independent sources of a run's randomness: weights, sampling, flips, dropout."""
    streams = np.random.SeedSequence(seed).spawn(4)
    names = ("weights", "sampling", "flips", "dropout")
    return {name: np.random.default_rng(stream) for name, stream in zip(names, streams, strict=True)}


def draw_network(config: Config, data: Dataset, rng: np.random.Generator) -> TwoLayerNet:
    """Return the network of a run before its first step, with weights from the given source."""
    shape = (data.X_train.shape[1], config.hidden, len(data.classes))
    return TwoLayerNet(*shape, config.std, activation=config.activation, dtype=config.dtype, rng=rng)


def make_minibatch(config: Config, data: Dataset, rng: np.random.Generator) -> Minibatch:
    """Return the buffers for a run's minibatches, whose flips come from the given source."""
    flip = data.image_shape if config.flip else None
    dtype = check_dtype(config.dtype)
    return Minibatch(data.X_train, data.y_train, config.batch, dtype, mean=data.mean, flip=flip, rng=rng)


def evaluation_parts(data: Dataset) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the training and the validation images and labels on which accuracies are measured.

    There are as many training images as validation images, spread evenly over the training part.
    """
    count = min(len(data.X_val), len(data.X_train))
    sample = np.linspace(0, len(data.X_train) - 1, count).astype(np.intp)
    return (data.X_train[sample], data.y_train[sample]), (data.X_val, data.y_val)


def accuracy(
    net: TwoLayerNet,
    X: Shaped[np.ndarray, "N D"],
    y: Integer[np.ndarray, " N"],
    mean: Float[np.ndarray, " D"],
) -> float:
    """Return the share of images, minus the mean, that a network classifies correctly; NaN for none."""
    return float(np.mean(net.predict(X, mean=mean) == y)) if len(y) else math.nan
