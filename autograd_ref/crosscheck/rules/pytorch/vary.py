"""A Function that is right as it is called, called otherwise: other layouts, cotangents and sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from autograd_ref.arithmetic.finite_differences import line_difference
from autograd_ref.crosscheck.rules.differences import ROUNDOFF, measured, own_noise
from autograd_ref.crosscheck.rules.pytorch.functions import (
    TorchUse,
    overrides,
)
from autograd_ref.crosscheck.rules.pytorch.judge import TorchCheck, TorchPoint
from autograd_ref.crosscheck.rules.pytorch.tensors import array_of, tensor_like, torch
from autograd_ref.crosscheck.rules.vary import (
    RELATIVE,
    SURELY,
    Failure,
    Way,
    differing,
    failures_of,
    resized_calls,
)

__all__ = ["TorchVariations"]

Arrays = list[np.ndarray]


class TorchVariations:
    """Other calls of one Function."""

    def __init__(self, check: TorchCheck) -> None:
        self.check, self.point = check, check.points[0]
        self.rule, self.base = self.point.own, self.point.grads
        self.refusals: list[str] = []
        name = check.judged_in
        rng = np.random.default_rng([check.asked.seed, 8])
        noise = own_noise(
            lambda arrays: self.rule.pull(arrays, self.point.cotangents), self.point.at, ROUNDOFF[name], rng
        )
        bounds = [measured(one, far, name).bound.radius for one, far in zip(self.base, noise, strict=True)]
        sizes = [check.asked.tolerance * np.abs(one).max(initial=0.0) for one in self.base]
        self.allowed = [
            np.asarray(np.maximum(bound, size)) for bound, size in zip(bounds, sizes, strict=True)
        ]

    def failures(self) -> list[Failure]:
        """Return the failures; afterwards ``refusals`` names the calls that could not be made."""
        ways: list[Way] = [
            ("the second time", self._again),
            ("where two of its outputs are added", self._added),
            ("with cotangents that are 0", self._zeros),
            ("with a non-contiguous cotangent", self._strided),
            ("with an expanded cotangent", self._expanded),
            ("with a non-contiguous argument", self._strided_arguments),
            ("by one argument alone", self._one_by_one),
            ("in forward mode", self._forward),
            ("under vmap", self._vmap),
        ]
        found, refusals = failures_of(ways, self.rule.file)
        self.refusals += refusals
        # It need not keep what a second backward pass would read.
        found += failures_of([("in a second backward pass (retain_graph=True)", self._retained)], "")[0]
        return found or list(self._at_other_sizes())

    def wrong_twice(self) -> list[str]:
        """Return the names of arguments whose second derivative PyTorch silently gives wrong."""
        wide = self.point.wide
        if wide is None or self.check.inside is not None:
            return []
        rng = np.random.default_rng([self.check.asked.seed, 10])
        weights = [np.asarray(rng.standard_normal(each.shape)) for each in self.point.at]
        moves = [np.asarray(rng.standard_normal(each.shape)) for each in self.point.at]
        cotangents = self.point.cotangents
        try:
            second = wide.second(self.point.at, cotangents, weights)
        except Exception:
            return []  # it raises, as with once_differentiable

        def along(t: float, which: int) -> float:
            at = [
                np.asarray(each + t * moves[i]) if i == which else each
                for i, each in enumerate(self.point.at)
            ]
            pulled = wide.pull(at, cotangents)
            return float(sum(np.sum(one * weight) for one, weight in zip(pulled, weights, strict=True)))

        wrong = []
        for i, name in enumerate(self.check.names):
            difference = line_difference(partial(along, which=i))
            terms = second[i] * moves[i]
            scale = float(np.sqrt(np.sum(np.square(terms))))
            if difference is None:
                continue
            allowed = SURELY * difference.error + RELATIVE * max(scale, abs(difference.value))
            if abs(float(np.sum(terms)) - difference.value) > allowed:
                wrong.append(name)
        return wrong

    # The ways to call.

    def _compare(
        self, found: Sequence[np.ndarray], right: Sequence[np.ndarray], condition: str = ""
    ) -> Iterator[Failure]:
        for i, (one, other, radius) in enumerate(zip(found, right, self.allowed, strict=True)):
            yield from differing(condition, i, one, other, radius)

    def _pull(self, cotangents: Sequence[Any], **how: Any) -> Arrays:
        return self.rule.pull(self.point.at, cotangents, **how)

    def _again(self) -> Iterator[Failure]:
        yield from self._compare(self._pull(self.point.cotangents), self.base)

    def _added(self) -> Iterator[Failure]:
        """The sum passes the same cotangent, as one tensor, to both: a backward may not change it."""
        for pulled in self.rule.pull_added(self.point.at, self.point.cotangents):
            yield from self._compare(pulled, self.base)

    def _retained(self) -> Iterator[Failure]:
        yield from self._compare(self.rule.pull_again(self.point.at, self.point.cotangents), self.base)

    def _zeros(self) -> Iterator[Failure]:
        given = self.point.cotangents
        nothing = [np.zeros_like(each) for each in given]
        if len(given) == 1:
            yield from self._compare(self._pull(nothing), [np.zeros_like(each) for each in self.base])
            return
        alone = [
            self._pull([c if i == k else nothing[i] for i, c in enumerate(given)]) for k in range(len(given))
        ]
        total = [np.asarray(np.sum(each, axis=0)) for each in zip(*alone, strict=True)]
        yield from self._compare(total, self.base, "with the cotangent of one output at a time")
        for k in range(len(given)):
            if given[k].any():
                only = self._pull([c if i == k else None for i, c in enumerate(given)])
                yield from self._compare(only, alone[k], f"where only output {k} is used")

    def _tensors(self) -> list[Any]:
        made = self.rule.outputs(self.point.at)
        pairs = zip(self.point.cotangents, made, strict=True)
        return [tensor_like(c, each) for c, each in pairs]

    def _strided(self) -> Iterator[Failure]:
        tensors = self._tensors()
        yield from self._compare(self._pull([_every_other(each) for each in tensors]), self.base)
        if any(each.ndim > 1 for each in tensors):
            turned = [_turned(each) for each in tensors]
            yield from self._compare(self._pull(turned), self.base, "with a transposed cotangent")

    def _expanded(self) -> Iterator[Failure]:
        ones = [torch().ones((), dtype=each.dtype, device=each.device) for each in self._tensors()]
        wide = [one.expand(each.shape) for one, each in zip(ones, self._tensors(), strict=True)]
        whole = [each.contiguous() for each in wide]
        yield from self._compare(self._pull(wide), self._pull(whole))

    def _strided_arguments(self) -> Iterator[Failure]:
        if self.rule.draws(self.point.at):  # in the order of the memory
            return
        yield from self._compare(self._pull(self.point.cotangents, prepare=_every_other), self.base)
        yield from self._compare(
            self._pull(self.point.cotangents, prepare=_turned), self.base, "with a transposed argument"
        )

    def _one_by_one(self) -> Iterator[Failure]:
        for i, name in enumerate(self.check.names if len(self.check.names) > 1 else ()):
            found = self._pull(self.point.cotangents, wanted=[i])[0]
            condition = f"where only the derivative with respect to {name} is taken"
            yield from differing(condition, i, found, self.base[i], self.allowed[i])

    def _forward(self) -> Iterator[Failure]:
        """Compare tangents pushed forward, weighed by cotangents, with cotangents pulled back."""
        if not overrides(self.rule.use.function, "jvp"):
            return
        rng = np.random.default_rng([self.check.asked.seed, 14])
        for i, each in enumerate(self.point.at):
            tangents = [np.zeros_like(one) for one in self.point.at]
            tangents[i] = np.asarray(rng.standard_normal(each.shape))
            pushed = zip(self.rule.push(self.point.at, tangents), self.point.cotangents, strict=True)
            found = np.asarray(sum(np.sum(one * weight) for one, weight in pushed))
            terms = self.base[i] * tangents[i]
            size = float(np.sqrt(np.sum(np.square(terms))))
            allowed = float(np.sum(self.allowed[i] * np.abs(tangents[i]))) + 1e-3 * size
            yield from differing("", i, found, np.asarray(np.sum(terms)), np.asarray(allowed))

    def _vmap(self) -> Iterator[Failure]:
        function, points = self.rule.use.function, self.check.points[:2]
        if (
            not (function.generate_vmap_rule or overrides(function, "vmap"))
            or points[0].own.use != points[-1].own.use
        ):
            return
        batch = [np.stack(each) for each in zip(*(point.at for point in points), strict=True)]
        weights = [np.stack(each) for each in zip(*(point.cotangents for point in points), strict=True)]
        count = len(batch)
        ways: list[tuple[str, list[int | None]]] = [("", [0] * count), ("over a last axis", [-1] * count)]
        if count > 1:
            alone = zip(self.check.names, range(min(count, 3)), strict=False)
            ways += [
                (f"over {name} alone", [0 if i == k else None for i in range(count)]) for name, k in alone
            ]
        for condition, axes in ways:
            yield from self._batched(points, batch, weights, axes, f"under vmap {condition}".strip())

    def _batched(
        self, points: Sequence[TorchPoint], batch: Arrays, weights: Arrays, axes: list[int | None], told: str
    ) -> Iterator[Failure]:
        def at(k: int | None) -> Arrays:
            entries = zip(points[0].at, batch, axes, strict=True)
            return [one if axis is None else many if k is None else many[k] for one, many, axis in entries]

        made = self.rule.batched(at(None), axes)
        for k in range(len(points)):
            for number, (found, output) in enumerate(zip(made, self.rule.outputs(at(k)), strict=True)):
                right = array_of(output)
                radius = measured(right, np.zeros_like(right), self.check.judged_in).bound.radius
                for each in differing(told, 0, found[k], right, radius):
                    yield each._replace(of=f"output {number}")
                    return
        pulled = self.rule.batched(at(None), axes, weights)
        for k, point in enumerate(points):
            yield from self._compare(
                [each[k] for each in pulled], self.rule.pull(at(k), point.cotangents), told
            )

    def _at_other_sizes(self) -> Iterator[Failure]:
        args = self.rule.use.args
        tensors = [i for i, each in enumerate(args) if torch().is_tensor(each) and each.ndim]
        given = [args[i].detach().cpu() for i in tensors]
        arrays = [each.double().numpy() if each.is_floating_point() else each.numpy() for each in given]
        fixed = [each for i, each in enumerate(args) if i not in tensors]
        fixed += [size for each in fixed if isinstance(each, tuple | list) for size in each]
        fixed += [size for i in self.rule.held for size in args[i].shape]
        for condition, resized in resized_calls(arrays, fixed):
            filled = list(args)
            for i, each in zip(tensors, resized, strict=True):
                filled[i] = torch().tensor(each).to(args[i].dtype).to(args[i].device)
            rule = replace(self.rule, use=TorchUse(self.rule.use.function, tuple(filled)))
            try:
                check = TorchCheck([rule], self.check.dtype, self.check.asked._replace(points=1))
                report = check.report()
            except Exception:  # noqa: S112 - it does not take these sizes
                continue
            for i, found in enumerate(report.quantities):
                if found.ok is False:
                    yield Failure(condition, i, found.index, found.hand, found.automatic)


def _every_other(tensor: Any) -> Any:
    """Return the same values, two positions apart in memory."""
    return torch().stack([tensor, torch().full_like(tensor, 7.0)], -1)[..., 0]


def _turned(tensor: Any) -> Any:
    """Return the same values, with the last axis first in memory."""
    return tensor.transpose(0, -1).contiguous().transpose(0, -1) if tensor.ndim > 1 else tensor.clone()
