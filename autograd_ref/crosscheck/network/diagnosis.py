"""Name the mistake, by replay: whose predictions match the gradients that were found, on every problem?

An explanation is a set of mistakes from the catalogue, in different steps. It stands only if it predicts the
loss and all four gradients to rounding on every problem, and fails itself wherever the checked code failed.
The fewest mistakes win, then the most specific; what else would explain as much is named as equivalent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from autograd_ref.crosscheck.bounds import Bounds, chained_bounds
from autograd_ref.crosscheck.mistakes.activations import SLOPES
from autograd_ref.crosscheck.mistakes.catalogue import CATALOGUE, FLOAT32_INSIDE, log_epsilon
from autograd_ref.crosscheck.mistakes.replay import LOCAL, UPSTREAM, Mistake, local_gradient, replay
from autograd_ref.crosscheck.network.call_forms import Outcome
from autograd_ref.crosscheck.problems import Problem
from autograd_ref.crosscheck.report import Diagnosis

__all__ = ["TENSORS", "Evidence", "diagnose"]

TENSORS = ("dW2", "db2", "dW1", "db1")
MOST = 3  # mistakes in one explanation
# A mistaken computation rounds like the right one, on numbers of another size; twice for two of them, and
# twice again because its bound was not derived.
SLACK = 4.0

RANK = {mistake.id: rank for rank, mistake in reversed(list(enumerate(CATALOGUE)))}
RANK["log-epsilon"] = len(CATALOGUE)
REACH = {
    **dict.fromkeys(("inputs", "scores", "probs"), ("loss", *TENSORS)),
    "dscores": TENSORS,
    **dict.fromkeys(("dh1", "dz1"), ("dW1", "db1")),
    "loss": ("loss",),
}


@dataclass(frozen=True)
class Evidence:
    """What someone's network gave on one problem, and what would have been right.

    Attributes:
        problem: where.
        outcome: what it gave.
        coefficients: the penalty that was read off its loss.
        automatic: every quantity, by the reference.
        bounds: what rounding allows.
    """

    problem: Problem
    outcome: Outcome
    coefficients: Mapping[str, float]
    automatic: Mapping[str, np.ndarray]
    bounds: Bounds


class _Explanation(NamedTuple):
    """Mistakes, and the tensors in which each shows."""

    found: tuple[tuple[Mistake, tuple[str, ...]], ...]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(mistake.id for mistake, _ in self.found)

    @property
    def cost(self) -> tuple[int, int, int]:
        ranks = sum(RANK[id_] for id_ in self.ids)
        return len(self.ids), len(self.found), ranks


def diagnose(evidence: Sequence[Evidence], wrong: Sequence[str]) -> tuple[tuple[Diagnosis, ...], set[str]]:
    """Find the mistakes that explain everything that was found.

    Args:
        evidence: one for each problem.
        wrong: the quantities that were found wrong.

    Returns:
        The diagnosis, empty if nothing in the catalogue explains what was found; and the quantities among
        the wrong ones that it leaves unexplained.
    """
    explanations = list(_complete(evidence))
    if not explanations and _computed_in_float32(evidence):
        rounded = [_allowing_float32(each) for each in evidence]
        inside = (FLOAT32_INSIDE, ("loss", *TENSORS))
        if all(_fits_right(each) for each in rounded):
            explanations = [_Explanation((inside,))]
        else:
            explanations = [_Explanation((inside, *each.found)) for each in _complete(rounded)]
    if explanations:
        best = min(explanations, key=lambda each: each.cost)
        rivals = [each for each in explanations if len(each.ids) == len(best.ids)]
        return tuple(_described(best, rivals, evidence[0])), set()
    partial = _partial(evidence, wrong)
    explained = {tensor for _, tensors in partial.found for tensor in tensors}
    return tuple(_described(partial, [partial], evidence[0])), set(wrong) - explained


def _complete(evidence: Sequence[Evidence]) -> Iterator[_Explanation]:
    """Every explanation of everything with the fewest mistakes, and some with more."""
    search = _Search(evidence)
    failed = [each for each in evidence if each.outcome.error is not None]
    most = MOST
    for upstream in _combinations(UPSTREAM, search.catalogue, 2):
        if len(_ids(upstream)) > most:
            return
        losses = search.loss_fits(upstream)
        if not losses:
            continue
        left = most - len(_ids(upstream)) - len(losses[0])
        options = [search.local_fits(tensor, upstream, min(left, 2)) for tensor in TENSORS]
        for loss, *chosen in product(losses, *options):
            local = dict(zip(TENSORS, chosen, strict=True))
            explanation = _explanation(upstream, loss, local)
            if not explanation.found or len(explanation.ids) > most:
                continue
            if all(_fails(each, upstream, local) for each in failed):
                most = len(explanation.ids)
                yield explanation


class _Search:
    """What fits, remembered: a loss or gradient depends on some of the steps upstream only."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self.judged = [each for each in evidence if each.outcome.error is None]
        activation = evidence[0].problem.activation
        self.catalogue = [mistake for mistake in CATALOGUE if activation in mistake.activations]
        self._replays: dict[tuple[Mistake, ...], _Replays] = {}
        self._losses: dict[tuple[Mistake, ...], list[tuple[Mistake, ...]]] = {}
        self._locals: dict[tuple[Any, ...], list[tuple[Mistake, ...]]] = {}

    def replays(self, upstream: tuple[Mistake, ...], reaching: str) -> "_Replays":
        """The problems replayed with those mistakes upstream that reach a quantity."""
        that_do = tuple(mistake for mistake in upstream if reaching in REACH[mistake.step])
        if that_do not in self._replays:
            self._replays[that_do] = _Replays(self.judged, that_do)
        return self._replays[that_do]

    def loss_fits(self, upstream: tuple[Mistake, ...]) -> list[tuple[Mistake, ...]]:
        """The mistakes in the loss that explain it: the fewest, in every way that does."""
        replays = self.replays(upstream, "loss")
        if replays.upstream not in self._losses:
            fits = [mistakes for mistakes in _loss_options(replays) if _fits_loss(replays, mistakes)]
            self._losses[replays.upstream] = [each for each in fits if len(each) == len(fits[0])]
        return self._losses[replays.upstream]

    def local_fits(self, tensor: str, upstream: tuple[Mistake, ...], most: int) -> list[tuple[Mistake, ...]]:
        """The local mistakes that explain one gradient: the fewest, in every way that does."""
        replays = self.replays(upstream, tensor)
        key = (tensor, replays.upstream, most)
        if key not in self._locals:
            self._locals[key] = list(_local_fits(tensor, replays, most))
        return self._locals[key]


class _Replays:
    """What these mistakes upstream give on each problem, computed when asked for: most fail on the first."""

    def __init__(self, judged: Sequence[Evidence], upstream: tuple[Mistake, ...]) -> None:
        self.judged = judged
        self.upstream = upstream
        self._values: list[dict[str, Any] | None] = []

    def __iter__(self) -> Iterator[tuple[Evidence, dict[str, Any] | None]]:
        """Each problem with its values; None where the mistaken code raises, as the checked code did not."""
        for i, each in enumerate(self.judged):
            if i == len(self._values):
                try:
                    self._values.append(replay(each.problem, each.coefficients, self.upstream))
                except ValueError:
                    self._values.append(None)
            yield each, self._values[i]


def _ids(mistakes: Iterable[Mistake]) -> set[str]:
    return {mistake.id for mistake in mistakes}


def _partial(evidence: Sequence[Evidence], wrong: Sequence[str]) -> _Explanation:
    """Local mistakes in single gradients, all being right upstream: as few different ones as can be."""
    if any(each.outcome.error is not None for each in evidence):
        return _Explanation(())
    search = _Search(evidence)
    fits = {tensor: search.local_fits(tensor, (), 2) for tensor in TENSORS if tensor in wrong}
    explained = {tensor: options for tensor, options in fits.items() if options}
    choices = (
        _explanation((), (), dict(zip(explained, chosen, strict=True)))
        for chosen in product(*explained.values())
    )
    return min(choices, key=lambda each: each.cost)


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
    """Up to so many mistakes in different steps, fewest first."""
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
    short = [(0.0 if v is None else v["loss"] - each.outcome.loss, each, v) for each, v in replays]
    most, each, v = max(short, key=lambda found: found[0])
    if v is None or not np.isfinite(most):
        return None
    low, high = -16.0, -1.0
    if not _excess(low, each, v) > 0 > _excess(high, each, v):
        return None
    return float(10.0 ** brentq(_excess, low, high, args=(each, v), xtol=1e-14))


def _excess(exponent: float, each: Evidence, v: dict[str, Any]) -> float:
    """By how much the loss with ε = 10 to this power is above the one that was found."""
    return float(log_epsilon(10.0**exponent).replacement(v)) - each.outcome.loss


def _fits_loss(replays: _Replays, mistakes: tuple[Mistake, ...]) -> bool:
    for each, v in replays:
        if v is None:
            return False
        predicted = mistakes[0].replacement(v) if mistakes else v["loss"]
        if not _matches("loss", np.asarray(predicted), np.asarray(each.outcome.loss), each):
            return False
    return True


def _local_fits(tensor: str, replays: _Replays, most: int) -> Iterator[tuple[Mistake, ...]]:
    """The local mistakes that explain one gradient: the fewest, in every way that does."""
    possible = [mistake for mistake in CATALOGUE if mistake.step in LOCAL and tensor in mistake.tensors]
    shortest = None
    for mistakes in _combinations(LOCAL, possible, most):
        if shortest is not None and len(mistakes) > shortest:
            return
        if all(v is not None and _fits(tensor, each, v, mistakes) for each, v in replays):
            shortest = len(mistakes)
            yield mistakes


def _fits(tensor: str, each: Evidence, v: dict[str, Any], mistakes: tuple[Mistake, ...]) -> bool:
    try:
        predicted = local_gradient(tensor, v, each.problem.reg, each.coefficients, mistakes)
    except ValueError:
        return False
    return _matches(tensor, predicted, each.outcome.grads[tensor[1:]], each)


def _matches(name: str, predicted: np.ndarray, found: np.ndarray, each: Evidence) -> bool:
    right = each.automatic[name]
    if predicted.ndim == 0 and found.shape == right.shape:
        predicted = np.full_like(found, predicted)  # one number, which NumPy broadcasts over the bias
    if predicted.shape != found.shape:
        return False
    size = float(np.max(np.abs(right), initial=0.0)) or 1.0
    growth = max(1.0, float(np.max(np.abs(predicted), initial=0.0)) / size)
    radius = np.array(each.bounds.radius[name])
    if name in ("dW1", "db1"):  # a unit within rounding of its kink may go either way
        radius[..., [unit for _, unit in each.bounds.kinks]] = np.inf
    if radius.shape != found.shape:
        radius = radius.T if radius.T.shape == found.shape else np.asarray(np.max(radius))
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(predicted - found) <= SLACK * growth * radius))


def _computed_in_float32(evidence: Sequence[Evidence]) -> bool:
    """Whether float64 was asked for and, where no penalty is added, every number is one of float32."""
    plain = [each for each in evidence if each.problem.reg == 0 and each.outcome.error is None]
    if not plain or plain[0].problem.dtype == np.float32:
        return False
    grads = [value for each in plain for value in each.outcome.grads.values()]
    return all(np.array_equal(value, value.astype(np.float32)) for value in grads)


def _allowing_float32(each: Evidence) -> Evidence:
    problem = each.problem
    values = {"X": problem.X, "y": problem.y, **problem.params, **each.automatic}
    bounds = chained_bounds(values, np.float32, problem.reg, each.coefficients, {}, problem.activation)
    return replace(each, bounds=bounds)


def _fits_right(each: Evidence) -> bool:
    found = {"loss": np.asarray(each.outcome.loss)} | {f"d{q}": g for q, g in each.outcome.grads.items()}
    return each.outcome.error is None and all(
        _matches(name, each.automatic[name], value, each) for name, value in found.items()
    )


def _fails(each: Evidence, upstream: tuple[Mistake, ...], local: Mapping[str, tuple[Mistake, ...]]) -> bool:
    """Whether code with these mistakes raises on this problem, as the checked code did."""
    try:
        v = replay(each.problem, each.coefficients, upstream)
        for tensor, mistakes in local.items():
            local_gradient(tensor, v, each.problem.reg, each.coefficients, mistakes)
    except ValueError:
        return True
    return False


def _described(best: _Explanation, rivals: Sequence[_Explanation], evidence: Evidence) -> Iterator[Diagnosis]:
    """One diagnosis for each id, in the order of computation of the first tensor it shows in."""
    order = ("loss", *TENSORS)
    grouped: dict[str, tuple[Mistake, list[str]]] = {}
    for mistake, tensors in best.found:
        grouped.setdefault(mistake.id, (mistake, []))[1].extend(tensors)
    for id_, (mistake, where) in sorted(grouped.items(), key=lambda item: min(map(order.index, item[1][1]))):
        tensors = tuple(name for name in order if name in where)
        others = {
            other for rival in rivals if best.ids - rival.ids == {id_} for other in rival.ids - best.ids
        }
        text = _sentence(mistake, tensors, evidence)
        yield Diagnosis(id_, tensors, tuple(sorted(others, key=RANK.__getitem__)), text)


def _sentence(mistake: Mistake, tensors: tuple[str, ...], evidence: Evidence) -> str:
    lines = {
        "dW2": "dW2 = h1.T @ dscores", "db2": "db2 = dscores.sum(axis=0)",
        "dW1": "dW1 = X.T @ dz1", "db1": "db1 = dz1.sum(axis=0)",
    }  # fmt: skip
    gradients = [tensor for tensor in tensors if tensor in lines]
    q = gradients[0][1:] if gradients else "W1"
    letter = q[0]
    c = evidence.coefficients[q] or evidence.coefficients["W1"]

    def times(factor: float) -> str:
        return f"{factor * c:.6g}·reg·{letter}".removeprefix("1·")

    norm = f"‖{letter}‖²"
    return mistake.text.format(
        tensors=" and ".join(gradients),
        line=" and ".join(lines[tensor] for tensor in gradients),
        penalty=f"{c:.6g}·reg·{norm}".removeprefix("1·"),
        right=times(2), half=times(1), double=times(4), slope=SLOPES[evidence.problem.activation],
    )  # fmt: skip
