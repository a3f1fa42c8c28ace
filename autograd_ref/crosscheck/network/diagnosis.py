"""Name the mistake, by replay: whose predictions match the gradients that were found, on every problem?

An explanation is a set of mistakes from the catalogue, in different steps. It holds only if it predicts the
loss and all four gradients to rounding on every problem, and fails itself wherever the checked code failed.
The fewest mistakes win, then the most specific; what else would explain as much is named as equivalent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from autograd_ref.crosscheck.comparison import GRADIENTS, TENSORS
from autograd_ref.crosscheck.mistakes.activations import SLOPES
from autograd_ref.crosscheck.mistakes.catalogue import CATALOGUE, FLOAT32_INSIDE, log_epsilon
from autograd_ref.crosscheck.mistakes.replay import (
    LOCAL,
    UPSTREAM,
    Mistake,
    Values,
    local_gradient,
    replay,
)
from autograd_ref.crosscheck.network.call_forms import CallResult
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.reference import Reference, reference_of
from autograd_ref.crosscheck.reports.report import Diagnosis
from handgrad.trace import WEIGHTS, quantity_of

__all__ = ["CheckedProblem", "computed_in_float32", "diagnose"]

MOST = 3  # mistakes in one explanation
# Operations that a search for them may take, of which a core does some 10¹⁰ in a second: with large networks
# it ends before all combinations were tried, on any machine at the same one.
AFFORDABLE = 5e10
# A mistaken computation rounds like the right one, on numbers of another size; twice for two of them, and
# twice again because its bound was not derived.
SLACK = 4.0

RANK = {mistake.id: rank for rank, mistake in reversed(list(enumerate(CATALOGUE)))}
RANK["log-epsilon"] = len(CATALOGUE)
REACH = {
    **dict.fromkeys(("inputs", "scores", "probs"), GRADIENTS),
    "dscores": TENSORS,
    **dict.fromkeys(("dh1", "dz1"), ("dW1", "db1")),
    "loss": ("loss",),
}


@dataclass(frozen=True)
class CheckedProblem:
    """A problem with the penalty that was read off the loss, what the network gave, and what is right."""

    problem: Problem
    result: CallResult
    reference: Reference

    @property
    def has_another_loss(self) -> bool:
        """Whether it gave a finite loss, and another one."""
        if self.result.error is not None or not np.isfinite(self.result.loss):
            return False
        error = abs(self.result.loss - float(self.reference.trace.loss))
        return bool(error > self.reference.bounds.radius["loss"])


class _Explanation(NamedTuple):
    """Mistakes, and the tensors in which each shows."""

    mistakes: tuple[tuple[Mistake, tuple[str, ...]], ...]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(mistake.id for mistake, _ in self.mistakes)

    @property
    def cost(self) -> tuple[int, int, int]:
        ranks = sum(RANK[id_] for id_ in self.ids)
        return len(self.ids), len(self.mistakes), ranks


def diagnose(
    checked: Sequence[CheckedProblem], wrong: Sequence[str]
) -> tuple[tuple[Diagnosis, ...], set[str]]:
    """Return the mistakes that explain what was found wrong, and the quantities that they leave unexplained.

    There are none if nothing in the catalogue explains it.
    """
    explanations = list(_complete(checked))
    if not explanations and computed_in_float32(checked):
        rounded = [replace(one, reference=reference_of(one.problem, dtype=np.float32)) for one in checked]
        inside = (FLOAT32_INSIDE, GRADIENTS)
        if all(_fits_right(one) for one in rounded):
            explanations = [_Explanation((inside,))]
        else:
            explanations = [_Explanation((inside, *other.mistakes)) for other in _complete(rounded)]
    if explanations:
        best = min(explanations, key=lambda explanation: explanation.cost)
        rivals = [other for other in explanations if len(other.ids) == len(best.ids)]
        return tuple(_described(best, rivals, checked[0].problem)), set()
    partial = _partial(checked, wrong)
    explained = {tensor for _, tensors in partial.mistakes for tensor in tensors}
    return tuple(_described(partial, [partial], checked[0].problem)), set(wrong) - explained


def _complete(checked: Sequence[CheckedProblem]) -> Iterator[_Explanation]:
    """Every explanation of everything with the fewest mistakes, and some with more."""
    search = _Search(checked)
    failed = [one for one in checked if one.result.error is not None]
    most = MOST
    for upstream in _combinations(UPSTREAM, search.catalogue, 2):
        if len(_ids(upstream)) > most or search.left < 0:
            return
        losses = search.loss_fits(upstream)
        if not losses:
            continue
        left = most - len(_ids(upstream)) - len(losses[0])
        options = [search.local_fits(tensor, upstream, min(left, 2)) for tensor in TENSORS]
        for loss, *chosen in product(losses, *options):
            local = dict(zip(TENSORS, chosen, strict=True))
            explanation = _explanation(upstream, loss, local)
            if not explanation.mistakes or len(explanation.ids) > most:
                continue
            if all(_fails(one, upstream, local) for one in failed):
                most = len(explanation.ids)
                yield explanation


class _Search:
    """What fits, remembered: a loss or gradient depends on some of the steps upstream only."""

    def __init__(self, checked: Sequence[CheckedProblem]) -> None:
        # Hardly any mistake fits the first problem that it is tried on, so that is the smallest.
        judged = sorted((one for one in checked if one.result.error is None), key=_operations)
        self.left = AFFORDABLE
        activation = checked[0].problem.activation
        self.catalogue = [mistake for mistake in CATALOGUE if activation in mistake.activations]
        self._replays = cache(partial(_Replays, judged))
        self._loss_fits, self._local_fits = cache(_loss_fits), cache(self._find_local_fits)

    def _reaching(self, quantity: str, upstream: tuple[Mistake, ...]) -> "_Replays":
        """The problems replayed with those mistakes upstream that reach a quantity."""
        return self._replays(tuple(mistake for mistake in upstream if quantity in REACH[mistake.step]))

    def loss_fits(self, upstream: tuple[Mistake, ...]) -> list[tuple[Mistake, ...]]:
        """The mistakes in the loss that explain it: the fewest, in every way that does."""
        return self._loss_fits(self._reaching("loss", upstream))

    def local_fits(self, tensor: str, upstream: tuple[Mistake, ...], most: int) -> list[tuple[Mistake, ...]]:
        """The local mistakes that explain one gradient: the fewest, in every way that does."""
        return self._local_fits(tensor, self._reaching(tensor, upstream), most)

    def _find_local_fits(self, tensor: str, replays: "_Replays", most: int) -> list[tuple[Mistake, ...]]:
        possible = [mistake for mistake in CATALOGUE if mistake.step in LOCAL and tensor in mistake.tensors]
        fits: list[tuple[Mistake, ...]] = []
        for mistakes in _combinations(LOCAL, possible, most):
            if (fits and len(mistakes) > len(fits[0])) or self.left < 0:
                break
            if self._fit(tensor, replays, mistakes):
                fits.append(mistakes)
        return fits

    def _fit(self, tensor: str, replays: "_Replays", mistakes: tuple[Mistake, ...]) -> bool:
        for one, v in replays:
            self.left -= _operations(one)
            if v is None or not _fits(tensor, one, v, mistakes):
                return False
        return True


def _operations(one: CheckedProblem) -> float:
    """About how many a gradient of W1 takes, which has the most."""
    D, H, _ = one.problem.sizes
    return 2.0 * len(one.problem.y) * D * H


class _Replays:
    """What these mistakes upstream give on each problem, computed when asked for: most fail on the first."""

    def __init__(self, judged: Sequence[CheckedProblem], upstream: tuple[Mistake, ...]) -> None:
        self._judged, self._upstream = judged, upstream
        self._values: list[Values | None] = []

    def __iter__(self) -> Iterator[tuple[CheckedProblem, Values | None]]:
        """Each problem with its values; None where the mistaken code raises, as the checked code did not."""
        for i, one in enumerate(self._judged):
            if i == len(self._values):
                try:
                    self._values.append(replay(one.problem, self._upstream))
                except ValueError:
                    self._values.append(None)
            yield one, self._values[i]


def _ids(mistakes: Iterable[Mistake]) -> set[str]:
    return {mistake.id for mistake in mistakes}


def _partial(checked: Sequence[CheckedProblem], wrong: Sequence[str]) -> _Explanation:
    """Local mistakes in single gradients, all being right upstream: as few different ones as can be."""
    if any(one.result.error is not None for one in checked):
        return _Explanation(())
    search = _Search(checked)
    fits = {tensor: search.local_fits(tensor, (), 2) for tensor in TENSORS if tensor in wrong}
    explained = {tensor: options for tensor, options in fits.items() if options}
    choices = (
        _explanation((), (), dict(zip(explained, chosen, strict=True)))
        for chosen in product(*explained.values())
    )
    return min(choices, key=lambda explanation: explanation.cost)


def _explanation(
    upstream: tuple[Mistake, ...], loss: tuple[Mistake, ...], local: Mapping[str, tuple[Mistake, ...]]
) -> _Explanation:
    tensors: dict[Mistake, list[str]] = {mistake: list(REACH[mistake.step]) for mistake in (*loss, *upstream)}
    for tensor, mistakes in local.items():
        for mistake in mistakes:
            tensors.setdefault(mistake, []).append(tensor)
    return _Explanation(tuple((mistake, tuple(where)) for mistake, where in tensors.items()))


def _combinations(
    steps: Iterable[str], mistakes: Iterable[Mistake], most: int
) -> Iterator[tuple[Mistake, ...]]:
    """Sets of at most `most` mistakes in different steps, fewest first."""
    by_step = {step: [mistake for mistake in mistakes if mistake.step == step] for step in steps}
    for count in range(most + 1):
        for chosen in combinations(by_step, count):
            yield from product(*(by_step[step] for step in chosen))


def _loss_options(replays: _Replays) -> Iterator[tuple[Mistake, ...]]:
    yield ()
    for mistake in CATALOGUE:
        if mistake.step == "loss":
            yield (mistake,)
    epsilon = _log_epsilon(replays)
    if epsilon is not None:
        yield (log_epsilon(epsilon),)


def _log_epsilon(replays: _Replays) -> float | None:
    """The ε that would bring −log(p + ε) down to the loss that was found, where the two differ most."""
    short = [(0.0 if v is None else v.loss - one.result.loss, one, v) for one, v in replays]
    most, one, v = max(short, key=lambda entry: entry[0])
    if v is None or not np.isfinite(most):
        return None
    low, high = -16.0, -1.0
    if not _excess(low, one, v) > 0 > _excess(high, one, v):
        return None
    from scipy.optimize import brentq  # loads slowly, and few checks get here

    return float(10.0 ** brentq(_excess, low, high, args=(one, v), xtol=1e-14))


def _excess(exponent: float, one: CheckedProblem, v: Values) -> float:
    """By how much the loss with ε = 10 to this power is above the one that was found."""
    return float(log_epsilon(10.0**exponent).replacement(v)) - one.result.loss


def _loss_fits(replays: _Replays) -> list[tuple[Mistake, ...]]:
    fits = [mistakes for mistakes in _loss_options(replays) if _fits_loss(replays, mistakes)]
    return [mistakes for mistakes in fits if len(mistakes) == len(fits[0])]


def _fits_loss(replays: _Replays, mistakes: tuple[Mistake, ...]) -> bool:
    for one, v in replays:
        if v is None:
            return False
        predicted = mistakes[0].replacement(v) if mistakes else v.loss
        if not _matches("loss", np.asarray(predicted), np.asarray(one.result.loss), one):
            return False
    return True


def _fits(tensor: str, one: CheckedProblem, v: Values, mistakes: tuple[Mistake, ...]) -> bool:
    try:
        predicted = local_gradient(tensor, v, one.problem, mistakes)
    except ValueError:
        return False
    return _matches(tensor, predicted, one.result.grads[quantity_of(tensor)], one)


def _matches(name: str, predicted: np.ndarray, given: np.ndarray, one: CheckedProblem) -> bool:
    right, bounds = one.reference.trace[name], one.reference.bounds
    if predicted.ndim == 0 and given.shape == right.shape:
        predicted = np.full_like(given, predicted)  # one number, which NumPy broadcasts over the bias
    if predicted.shape != given.shape:
        return False
    size = float(np.max(np.abs(right), initial=0.0)) or 1.0
    growth = max(1.0, float(np.max(np.abs(predicted), initial=0.0)) / size)
    radius = np.array(bounds.radius[name])
    if name in ("dW1", "db1"):  # a unit within rounding of its kink may go either way
        radius[..., [unit for _, unit in bounds.kinks]] = np.inf
    if radius.shape != given.shape:
        radius = radius.T if radius.T.shape == given.shape else np.asarray(np.max(radius))
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(predicted - given) <= SLACK * growth * radius))


def computed_in_float32(checked: Sequence[CheckedProblem]) -> bool:
    """Whether float64 was asked for and, where no penalty is added, every number is one of float32."""
    plain = [one for one in checked if one.problem.reg == 0 and one.result.error is None]
    if not plain or plain[0].problem.dtype == np.float32:
        return False
    grads = [value for one in plain for value in one.result.grads.values()]
    return all(np.array_equal(value, value.astype(np.float32)) for value in grads)


def _fits_right(one: CheckedProblem) -> bool:
    return one.result.error is None and all(
        _matches(name, np.asarray(one.reference.trace[name]), value, one)
        for name, value in one.result.by_quantity().items()
    )


def _fails(
    one: CheckedProblem, upstream: tuple[Mistake, ...], local: Mapping[str, tuple[Mistake, ...]]
) -> bool:
    """Whether code with these mistakes raises on this problem, as the checked code did."""
    try:
        v = replay(one.problem, upstream)
        for tensor, mistakes in local.items():
            local_gradient(tensor, v, one.problem, mistakes)
    except ValueError:
        return True
    return False


def _described(best: _Explanation, rivals: Sequence[_Explanation], problem: Problem) -> Iterator[Diagnosis]:
    """One diagnosis for each id, in the order of computation of the first tensor it shows in."""
    grouped: dict[str, tuple[Mistake, list[str]]] = {}
    for mistake, tensors in best.mistakes:
        grouped.setdefault(mistake.id, (mistake, []))[1].extend(tensors)
    for id_, (mistake, where) in sorted(
        grouped.items(), key=lambda item: min(map(GRADIENTS.index, item[1][1]))
    ):
        tensors = tuple(name for name in GRADIENTS if name in where)
        others = {
            other for rival in rivals if best.ids - rival.ids == {id_} for other in rival.ids - best.ids
        }
        text = _sentence(mistake, tensors, problem)
        yield Diagnosis(id_, tensors, tuple(sorted(others, key=RANK.__getitem__)), text)


LINES = {
    "dW2": "dW2 = h1.T @ dscores",
    "db2": "db2 = dscores.sum(axis=0)",
    "dW1": "dW1 = X.T @ dz1",
    "db1": "db1 = dz1.sum(axis=0)",
}


def _sentence(mistake: Mistake, tensors: tuple[str, ...], problem: Problem) -> str:
    gradients = [tensor for tensor in tensors if tensor in LINES]
    q = quantity_of(gradients[0]) if gradients else "W1"
    letter = "W" if q in WEIGHTS else "b"
    c = problem.objective.coefficient(q) or problem.objective.coefficient("W1")

    def times(factor: float) -> str:
        return f"{factor * c:.6g}·reg·{letter}".removeprefix("1·")

    return mistake.text.format(
        tensors=" and ".join(gradients),
        are="is" if len(gradients) == 1 else "are",
        line=" and ".join(LINES[tensor] for tensor in gradients),
        penalty=f"{c:.6g}·reg·‖{letter}‖²".removeprefix("1·"),
        right=times(2),
        half=times(1),
        double=times(4),
        slope=SLOPES[problem.activation],
    )
