"""The training of a stack's points, together where possible."""

import math
import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from handgrad.data.datasets import Dataset
from handgrad.fused.stacked_sgd import StackedSgd
from handgrad.runs.config import Config
from handgrad.runs.trainer import (
    DivergedError,
    Trainer,
    accuracy,
    draw_network,
    evaluation_parts,
    make_minibatch,
    random_streams,
)
from handgrad.sweep.grid import network_of, network_steps, stackable

__all__ = ["train_points"]


def train_points(points: Sequence[Config], data: Dataset) -> list[dict[str, Any]]:
    """Train the points of one stack of `handgrad.sweep.grid.Grid`, and return their outcomes."""
    if stackable(points[0]):
        outcomes = _train_stack(points, data)
    else:
        outcomes = [_train_alone(point, data) for point in points]
    where = {
        "worker": f"{platform.node()}:{os.getpid()}",
        "time": datetime.now(UTC).isoformat("T", "seconds"),
    }
    return [outcome | {"run": outcome["run"] | where} for outcome in outcomes]


def _outcome(loss: float, accuracies: Sequence[float], seconds: float) -> dict[str, Any]:
    """Return a point's outcome; without accuracies the network has diverged, and the loss is meaningless."""
    diverged = not accuracies
    train, val = (None, None) if diverged else accuracies
    return {
        "train_accuracy": train,
        "val_accuracy": val,
        "loss": None if diverged else loss,
        "diverged": diverged,
        "run": {"seconds": round(seconds, 3)},
    }


def _train_alone(point: Config, data: Dataset) -> dict[str, Any]:
    started = time.perf_counter()
    trainer = Trainer(point, data)
    try:
        while not trainer.done:
            trainer.step()
        trainer.check_finite()
    except DivergedError:
        return _outcome(math.nan, (), time.perf_counter() - started)
    last = trainer.history.evaluations[-1]
    accuracies = (last.train_accuracy, last.val_accuracy)
    return _outcome(trainer.history.losses[-1], accuracies, time.perf_counter() - started)


class _Stack:
    """Networks that are trained side by side, in descending order of their numbers of steps."""

    def __init__(self, points: Sequence[Config], data: Dataset) -> None:
        self._data, self._parts = data, evaluation_parts(data)
        streams = random_streams(points[0].seed)
        self._sampling = streams["sampling"]
        self._minibatch = make_minibatch(points[0], data, streams["flips"])
        steps_per_epoch = max(len(data.X_train) // points[0].batch, 1)

        steps = network_steps(points)
        self.networks = sorted(steps, key=lambda network: -steps[network])
        self._ends = [steps[network] for network in self.networks]
        self._nets = [
            draw_network(network, data, random_streams(network.seed)["weights"]) for network in self.networks
        ]
        self._sgd = StackedSgd(
            [net.params for net in self._nets],
            points[0].batch,
            regs=[network.reg for network in self.networks],
            activations=[network.activation for network in self.networks],
        )
        self._rates = [network.learning_rates(steps_per_epoch) for network in self.networks]
        self._units = [network.hidden for network in self.networks]

        self.steps = 0
        self.losses = np.zeros(len(self.networks))
        self._finite = np.ones(len(self.networks), bool)
        # Each network's share of the time so far, in proportion to its hidden units.
        self.seconds = np.zeros(len(self.networks))

    def advance(self, steps: int) -> None:
        """Train up to this number of steps the networks that take at least as many."""
        started = time.perf_counter()
        count = sum(end >= steps for end in self._ends)
        self._sgd.keep(count)
        while self.steps < steps:
            self._step(with_penalty=self.steps + 1 == steps)
        units = np.array(self._units[:count])
        self.seconds[:count] += (time.perf_counter() - started) * units / units.sum()

    def _step(self, with_penalty: bool) -> None:
        count = self._sgd.count
        self._minibatch.gather(self._sampling.integers(len(self._data.X_train), size=len(self._minibatch.y)))
        rates = [rate(self.steps) for rate in self._rates[:count]]
        with np.errstate(over="ignore", invalid="ignore"):
            penalties = [self._sgd.penalty(number) if with_penalty else 0.0 for number in range(count)]
            self.losses[:count] = self._sgd.step(self._minibatch.X, self._minibatch.y, rates)
            self.losses[:count] += penalties
        self.steps += 1
        self._finite[:count] &= np.isfinite(self.losses[:count])

    def outcome(self, network: Config) -> dict[str, Any]:
        """Return the outcome of one network after the steps taken so far."""
        number = self.networks.index(network)
        net = self._nets[number]
        with np.errstate(over="ignore", invalid="ignore"):
            net.params = self._sgd.params(number)
        finite = self._finite[number] and all(np.isfinite(q).all() for q in net.params.values())
        accuracies = [accuracy(net, *part, self._data.mean) for part in self._parts] if finite else ()
        return _outcome(float(self.losses[number]), accuracies, float(self.seconds[number]))


def _train_stack(points: Sequence[Config], data: Dataset) -> list[dict[str, Any]]:
    stack = _Stack(points, data)
    outcomes: dict[int, dict[str, Any]] = {}
    for steps in sorted({point.iters for point in points}):
        stack.advance(steps)
        for number, point in enumerate(points):
            if point.iters == steps:
                outcomes[number] = stack.outcome(network_of(point))
    return [outcomes[number] for number in range(len(points))]
