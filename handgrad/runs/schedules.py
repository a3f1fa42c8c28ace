"""Learning rate schedules."""

import math
from collections.abc import Callable

__all__ = ["Schedule", "cosine", "epoch_decay", "linear_warmup"]

# The learning rate of each step, starting with number 0.
Schedule = Callable[[int], float]


def epoch_decay(learning_rate: float, decay: float, steps_per_epoch: int) -> Schedule:
    """Return a learning rate that is multiplied by ``decay`` at the end of every epoch."""
    return lambda step: learning_rate * decay ** (step // steps_per_epoch)


def cosine(learning_rate: float, steps: int) -> Schedule:
    r"""Return half a cosine from the given rate to zero at step T, $\frac{lr}{2}(1 + \cos(\pi t / T))$.

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5,
    without the restarts.
    """
    return lambda step: learning_rate / 2 * (1 + math.cos(math.pi * min(step / steps, 1)))


def linear_warmup(schedule: Schedule, steps: int) -> Schedule:
    """Return a schedule that multiplies the rates of the first steps t by (t + 1) / (steps + 1).

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, §2.2.
    """
    return lambda step: schedule(max(step, steps)) * min((step + 1) / (steps + 1), 1.0)
