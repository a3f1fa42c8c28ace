"""Schedules of the learning rate."""

import math
from collections.abc import Callable

__all__ = ["Schedule", "cosine", "epoch_decay", "linear_warmup"]

# The learning rate of each step, the first of which is number 0.
Schedule = Callable[[int], float]


def epoch_decay(learning_rate: float, decay: float, steps_per_epoch: int) -> Schedule:
    """A learning rate that is multiplied by ``decay`` at the end of every epoch.

    Args:
        learning_rate: that of the first epoch.
        decay: the factor.
        steps_per_epoch: steps of an epoch, at least 1.

    Returns:
        The learning rate as a function of the step.
    """
    return lambda step: learning_rate * decay ** (step // steps_per_epoch)


def cosine(learning_rate: float, steps: int) -> Schedule:
    r"""Half a cosine from the given learning rate down to zero, $\frac{lr}{2}(1 + \cos(\pi t / T))$.

    Source: Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5,
    without the restarts.

    Args:
        learning_rate: that of step 0.
        steps: $T$, the step at which zero is reached, and stays.

    Returns:
        The learning rate as a function of the step.
    """
    return lambda step: learning_rate / 2 * (1 + math.cos(math.pi * min(step / steps, 1)))


def linear_warmup(schedule: Schedule, steps: int) -> Schedule:
    """A schedule whose first steps rise in equal parts to the learning rate that it has after them.

    Source: Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, §2.2.

    Args:
        schedule: what is followed from step number ``steps`` on.
        steps: how many steps rise; step t of them takes the part (t + 1) / (steps + 1).

    Returns:
        The learning rate as a function of the step.
    """
    return lambda step: schedule(max(step, steps)) * min((step + 1) / (steps + 1), 1.0)
