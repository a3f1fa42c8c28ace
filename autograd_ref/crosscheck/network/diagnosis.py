"""Name mistakes by replay: find those that predict the network's gradients on every problem.

An explanation is a set of mistakes from the catalogue, in different steps. It is valid only if it predicts
the loss and all four gradients to rounding on every problem, and fails wherever the checked code failed. The
fewest mistakes win, then the most specific; other valid explanations are named as equivalent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
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
# A mistaken computation rounds like the right one, but with numbers of another size; a factor of two for two
# computations, and another two because its bound was not derived.
SLACK = 4.0

# The second layer is reached by fewer mistakes, and a bias is smaller than its weights.
CHEAPEST_FIRST = ("db2", "dW2", "db1", "dW1")

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
    """A problem with the penalty that was read off the loss, the network's results, and the right ones."""

    problem: Problem
    result: CallResult
    reference: Reference

    @property
    def has_another_loss(self) -> bool:
        """Whether the network returned a finite loss that differs from the right one."""
        if self.result.error is not None or not np.isfinite(self.result.loss):
            return False
        error = abs(self.result.loss - float(self.reference.trace.loss))
        return bool(error > self.reference.bounds.radius["loss"])

    @cached_property
    def allowed(self) -> dict[str, tuple[float, np.ndarray]]:
        """The largest entry of each right result, and its bounds."""
        trace, bounds, allowed = self.reference.trace, self.reference.bounds, {}
        for name in GRADIENTS:
            radius = np.array(bounds.radius[name])
            if name in ("dW1", "db1"):  # a unit within rounding of its kink may be on either side
                radius[..., [unit for _, unit in bounds.kinks]] = np.inf
            allowed[name] = float(np.max(np.abs(trace[name]), initial=0.0)) or 1.0, radius
        return allowed


class _Explanation(NamedTuple):
    """Mistakes, with the tensors in which each one shows."""

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
    """Return the mistakes that explain the wrong quantities, and the quantities that remain unexplained.

    There are no mistakes if nothing in the catalogue explains the quantities.
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
    """Yield every complete explanation with the fewest mistakes, and some with more."""
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
        options = dict[str, list[tuple[Mistake, ...]]]()
        for tensor in CHEAPEST_FIRST:
            options[tensor] = search.local_fits(tensor, upstream, min(left, 2))
            if not options[tensor]:
                losses = []  # the other gradients need not be tried
                break
        for loss, *chosen in product(losses, *(options.get(tensor, []) for tensor in TENSORS)):
            local = dict(zip(TENSORS, chosen, strict=True))
            explanation = _explanation(upstream, loss, local)
            if not explanation.mistakes or len(explanation.ids) > most:
                continue
            if all(_fails(one, upstream, local) for one in failed):
                most = len(explanation.ids)
                yield explanation


class _Search:
    """A cache of the mistakes that fit; a loss or gradient depends only on some of the steps upstream."""

    def __init__(self, checked: Sequence[CheckedProblem]) -> None:
        # Few mistakes fit the first problem, so it is the smallest.
        judged = sorted((one for one in checked if one.result.error is None), key=_operations)
        self.left = AFFORDABLE
        activation = checked[0].problem.activation
        self.catalogue = [mistake for mistake in CATALOGUE if activation in mistake.activations]
        self._replays = cache(partial(_Replays, judged))
        self._loss_fits, self._local_fits = cache(_loss_fits), cache(self._find_local_fits)

    def _reaching(self, quantity: str, upstream: tuple[Mistake, ...]) -> "_Replays":
        """Return the problems replayed with the upstream mistakes that affect a quantity."""
        return self._replays(tuple(mistake for mistake in upstream if quantity in REACH[mistake.step]))

    def loss_fits(self, upstream: tuple[Mistake, ...]) -> list[tuple[Mistake, ...]]:
        """Return the mistakes in the loss that explain it: the fewest, in all combinations that do."""
        return self._loss_fits(self._reaching("loss", upstream))

    def local_fits(self, tensor: str, upstream: tuple[Mistake, ...], most: int) -> list[tuple[Mistake, ...]]:
        """Return the local mistakes that explain one gradient: the fewest, in all combinations that do."""
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
    """Return about how many operations the gradient of W1 takes, which takes the most."""
    D, H, _ = one.problem.sizes
    return 2.0 * len(one.problem.y) * D * H


class _Replays:
    """The results of these upstream mistakes on each problem, computed lazily: most fail on the first."""

    def __init__(self, judged: Sequence[CheckedProblem], upstream: tuple[Mistake, ...]) -> None:
        self._judged, self._upstream = judged, upstream
        self._values: list[Values | None] = []

    def __iter__(self) -> Iterator[tuple[CheckedProblem, Values | None]]:
        """Yield each problem with its values; None if the mistaken code raises, unlike the checked code."""
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
    """Return as few different local mistakes in single gradients as possible; all is right upstream."""
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
    """Yield sets of at most `most` mistakes in different steps, smallest first."""
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
    """Return the ε with which −log(p + ε) gives the network's loss, where the two losses differ most."""
    short = [(0.0 if v is None else v.loss - one.result.loss, one, v) for one, v in replays]
    most, one, v = max(short, key=lambda entry: entry[0])
    if v is None or not np.isfinite(most):
        return None
    low, high = -16.0, -1.0
    if not _excess(low, one, v) > 0 > _excess(high, one, v):
        return None
    from scipy.optimize import brentq  # loads slowly, and few checks need it

    return float(10.0 ** brentq(_excess, low, high, args=(one, v), xtol=1e-14))


def _excess(exponent: float, one: CheckedProblem, v: Values) -> float:
    """Return the loss with ε = 10 to this power, minus the network's loss."""
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
    size, radius = one.allowed[name]
    if predicted.ndim == 0 and given.shape == one.reference.trace[name].shape:
        predicted = np.full_like(given, predicted)  # NumPy broadcasts one number over the bias
    if predicted.shape != given.shape:
        return False
    if radius.shape != given.shape:
        radius = radius.T if radius.T.shape == given.shape else np.asarray(np.max(radius))
    growth = max(1.0, float(np.max(np.abs(predicted), initial=0.0)) / size)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(predicted - given) <= SLACK * growth * radius).all())


def computed_in_float32(checked: Sequence[CheckedProblem]) -> bool:
    """Whether float64 is checked but, where no penalty is added, every number is a float32 number."""
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
    """Whether code with these mistakes raises on this problem, like the checked code."""
    try:
        v = replay(one.problem, upstream)
        for tensor, mistakes in local.items():
            local_gradient(tensor, v, one.problem, mistakes)
    except ValueError:
        return True
    return False


def _described(best: _Explanation, rivals: Sequence[_Explanation], problem: Problem) -> Iterator[Diagnosis]:
    """Yield a diagnosis for each id, in the order of computation of the first tensor that shows it."""
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
        tensors=_listed(gradients),
        are="is" if len(gradients) == 1 else "are",
        line=_listed([LINES[tensor] for tensor in gradients]),
        penalty=f"{c:.6g}·reg·‖{letter}‖²".removeprefix("1·"),
        right=times(2),
        half=times(1),
        double=times(4),
        slope=SLOPES[problem.activation],
    )


def _listed(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
