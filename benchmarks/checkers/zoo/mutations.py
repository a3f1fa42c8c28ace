"""Wrong gradients, made from a right one by mistakes that are possible in any function."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from benchmarks.checkers.zoo.entry import Hand
from benchmarks.checkers.zoo.truth import PLANTED, Truth, cast

Change = Callable[[np.ndarray], np.ndarray]


def mutations(truth: Truth, right: Hand) -> Iterator[tuple[str, Hand]]:
    """Yield wrong hands, each with its name.

    Each changes one array of the gradient, in turn; entries that a tie leaves open are never chosen.

    Args:
        truth: the function at the point where the entries are chosen.
        right: the hand whose gradients are changed.

    Yields:
        Name and hand.
    """
    alive = [k for k, zero in enumerate(truth.zero) if not zero and truth.gradients[k].size]
    turn = 0
    for name in (*WHOLE, *ENTRIES):
        for _ in alive:
            k = alive[turn % len(alive)]
            turn += 1
            change = ENTRIES[name](truth, k) if name in ENTRIES else WHOLE[name]
            if change is not None:
                yield name, _changed(right, k, change)
                break
    for k, zero in enumerate(truth.zero):
        if zero and truth.gradients[k].size:
            amount = float(PLANTED * truth.scales[k].min())
            for name, change in list(_where_zero(amount).items())[: None if truth.entry.dead else 3]:
                yield name, _changed(right, k, change)
    if truth.entry.interval is not None:
        yield "wrong at ties only", _beyond_ties(right, truth.entry.interval)
    yield "the gradient at another point", _elsewhere(right)
    if len(alive) > 1:
        yield "two arrays of one shape exchanged", _exchanged(right)


def _changed(right: Hand, k: int, change: Change) -> Hand:
    def hand(params: Any, *args: Any) -> tuple[Any, Any]:
        loss, grads = right(params, *args)
        values, structure = jax.tree.flatten(grads)
        old = np.asarray(values[k])
        values[k] = np.asarray(change(old.copy())).astype(old.dtype).reshape(old.shape)
        return loss, jax.tree.unflatten(structure, values)

    return hand


def _beyond_ties(right: Hand, interval: Callable[..., tuple[Any, Any]]) -> Hand:
    """Return a hand that is wrong only at ties: there it exceeds the interval by half of its width."""

    def hand(params: Any, *args: Any) -> tuple[Any, Any]:
        loss, grads = right(params, *args)

        def beyond(g: Any, low: Any, high: Any) -> np.ndarray:
            low, high, g = np.asarray(low, np.float64), np.asarray(high, np.float64), np.asarray(g)
            return np.where(low == high, g, high + (high - low) / 2).astype(g.dtype)

        return loss, jax.tree.map(beyond, grads, *interval(params, *args))

    return hand


def _elsewhere(right: Hand) -> Hand:
    """Return a hand with the loss at the point, and the gradient at 10 % larger, moved parameters."""

    def hand(params: Any, *args: Any) -> tuple[Any, Any]:
        moved = jax.tree.map(lambda p: _beside(np.asarray(p)), params)
        return right(params, *args)[0], right(
            moved, *cast(args, np.asarray(jax.tree.leaves(params)[0]).dtype)
        )[1]

    return hand


def _beside(p: np.ndarray) -> np.ndarray:
    wave = np.cos(np.arange(p.size, dtype=np.float64)).reshape(p.shape)
    return (p * (1 + 0.1 * wave) + 0.1 * wave * _root_mean_square(p)).astype(p.dtype)


def _exchanged(right: Hand) -> Hand:
    def hand(params: Any, *args: Any) -> tuple[Any, Any]:
        loss, grads = right(params, *args)
        values, structure = jax.tree.flatten(grads)
        shapes = [np.shape(each) for each in values]
        for i, shape in enumerate(shapes):
            for j in range(i + 1, len(shapes)):
                if shapes[j] == shape:
                    values[i], values[j] = values[j], values[i]
                    return loss, jax.tree.unflatten(structure, values)
        return loss, grads

    return hand


def _root_mean_square(g: np.ndarray) -> float:
    largest = float(np.max(np.abs(g), initial=0))
    return largest * float(np.sqrt(np.mean((g / largest).astype(np.float64) ** 2))) if largest else 1.0


def _three_percent(g: np.ndarray) -> np.ndarray:
    return PLANTED * np.maximum(np.abs(g.astype(np.float64)), _root_mean_square(g))


def _noise(g: np.ndarray) -> np.ndarray:
    return g + _three_percent(g) * np.random.default_rng(3).choice([-1.0, 1.0], g.shape)


def _where_zero(amount: float) -> dict[str, Change]:
    """Return changes of a gradient that is 0, with an amount taken from the other gradients."""

    def shape(wave: Callable[[np.ndarray], np.ndarray]) -> Change:
        return lambda g: g + amount * wave(np.arange(g.size)).reshape(g.shape)

    return {
        "3 % of the others where 0 is right": lambda g: g + amount,
        "noise where 0 is right": shape(lambda n: np.where(np.cos(n) > 0, 1.0, -1.0)),
        "one entry where 0 is right": shape(lambda n: n == n.size // 2),
        "−3 % of the others where 0 is right": lambda g: g - amount,
        "the others' size where 0 is right": lambda g: g + amount / PLANTED,
        "100 times the others' size where 0 is right": lambda g: g + 100 * amount / PLANTED,
        "the first entry where 0 is right": shape(lambda n: n == 0),
        "the last entry where 0 is right": shape(lambda n: n == n.size - 1),
        "a ramp where 0 is right": shape(lambda n: n / PLANTED),
        "a wave where 0 is right": shape(lambda n: np.cos(n) / PLANTED),
    }


def _every_other(g: np.ndarray) -> np.ndarray:
    g.ravel()[::2] = 0
    return g


WHOLE: dict[str, Change] = {
    "zero": lambda g: 0 * g,
    "sign": lambda g: -g,
    "factor 2": lambda g: 2 * g,
    "factor 1.03": lambda g: 1.03 * g,
    "factor 0.97": lambda g: 0.97 * g,
    "noise of 3 %": _noise,
    "absolute values": np.abs,
    "every other entry 0": _every_other,
    "the mean in every entry": lambda g: np.full_like(g, g.mean(dtype=np.float64)),
    "reversed": lambda g: g.ravel()[::-1],
    "moved on by one": lambda g: np.roll(g, 1),
    "clipped at the root mean square": lambda g: np.clip(g, -_root_mean_square(g), _root_mean_square(g)),
    "transposed": lambda g: g.T if g.ndim == 2 and g.shape[0] == g.shape[1] else g,
}


def _at(index: tuple[int, ...], sign: float = 1.0) -> Change:
    def change(g: np.ndarray) -> np.ndarray:
        g[index] += sign * _three_percent(g)[index]
        return g

    return change


def _ordered(truth: Truth, k: int) -> list[tuple[int, ...]]:
    """Return the entries that can be chosen, the smallest first."""
    size = np.abs(truth.gradients[k])
    fit = truth.free[k] & truth.seen[k]
    order = np.argsort(np.where(fit, size, np.inf), axis=None, kind="stable")[: int(fit.sum())]
    return [tuple(int(i) for i in np.unravel_index(each, size.shape)) for each in _few(order)]


def _few(order: np.ndarray) -> np.ndarray:
    """Return about a hundred, evenly spread, with the ends."""
    return order if len(order) <= 200 else order[np.linspace(0, len(order) - 1, 201).astype(int)]


def _largest(truth: Truth, k: int) -> Change | None:
    order = _ordered(truth, k)
    return _at(order[-1]) if order else None


def _middling(truth: Truth, k: int) -> Change | None:
    order = _ordered(truth, k)
    return _at(order[len(order) // 2]) if order else None


def _smallest(truth: Truth, k: int) -> Change | None:
    order = _ordered(truth, k)
    return _at(order[0], -1.0) if order else None


def _swapped(truth: Truth, k: int) -> Change | None:
    """Exchange two entries that differ by just over 3 % of the larger scale."""
    order = _ordered(truth, k)
    values = np.array([float(truth.gradients[k][each]) for each in order])
    scales = np.array([float(truth.scales[k][each]) for each in order])
    by_value = np.argsort(values)
    best, pair = np.inf, None
    for a, i in enumerate(by_value):
        for j in by_value[a + 1 :]:
            apart = (values[j] - values[i]) / max(scales[i], scales[j])
            if apart >= PLANTED:
                if apart < best:
                    best, pair = apart, (order[i], order[j])
                break
    if pair is None:
        return None
    one, other = pair

    def change(g: np.ndarray) -> np.ndarray:
        g[one], g[other] = g[other].copy(), g[one].copy()
        return g

    return change


ENTRIES: dict[str, Callable[[Truth, int], Change | None]] = {
    "largest entry off by 3 %": _largest,
    "middling entry off by 3 %": _middling,
    "smallest entry off by 3 %": _smallest,
    "two entries swapped": _swapped,
}
