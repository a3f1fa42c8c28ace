"""Programs that keep and pass numbers in the many ways that Python has; `x` is (3, 4), `w` (4, 2)."""

import functools
import itertools
import math
from collections import ChainMap, Counter, defaultdict, namedtuple
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

STYLES = {}


def style(function):
    STYLES[function.__name__] = function
    return function


@style
def aliases_and_strided_outputs(x, w):
    b = x * 2.0
    a = b[...]
    np.add(x[:, ::2], x[:, 1::2], out=a[:, ::2])
    a[:, 1] = a[:, 0]
    c = a.view()
    c *= b
    np.multiply(c, c, c[::-1])
    first, *rest = c
    first -= rest[0]
    return np.sum(b) + np.sum(first * rest[1])


@style
def state_of_generators(x, w):
    rng = np.random.default_rng(5)
    state = rng.bit_generator.state
    first = rng.standard_normal(4)
    rng.bit_generator.state = state
    second = rng.normal(size=4)
    child = rng.spawn(1)[0]
    legacy = np.random.RandomState(3)
    kept = legacy.get_state()
    a = legacy.rand(4)
    legacy.set_state(kept)
    return np.sum(x[0] * first - x[1] * second) + np.sum(x * (a - legacy.rand(4) + child.random(4)))


@style
def closures_over_lists(x, w):
    cache = []
    total = [0.0]

    def layer(h):
        def backward(d):
            return d * (1 - cache.pop() ** 2)

        cache.append(np.tanh(h))
        return cache[-1], backward

    def add(term):
        nonlocal last
        last = term
        total[0] += term
        return total[0]

    last = None
    h, back = layer(x @ w)
    d = back(np.ones_like(h))
    add(np.sum(h))
    add(np.sum(d * d))
    return total[0] * last


class Shared:
    scale = np.array([0.5, 2.0])
    count = 0

    @classmethod
    def step(cls, h):
        cls.count += 1
        cls.scale = cls.scale * np.sum(h)
        return h * cls.scale

    @staticmethod
    def loss(h):
        return np.sum(h**2)


@style
def class_attributes(x, w):
    Shared.scale = np.array([0.5, 2.0])
    return Shared.loss(Shared.step(Shared.step(x @ w)))


@dataclass
class Parameters:
    weights: np.ndarray
    bias: float = 0.25
    gradients: dict = field(default_factory=dict)

    def __post_init__(self):
        self.norm = np.sqrt(np.sum(self.weights**2))


@dataclass(frozen=True, slots=True)
class Frozen:
    value: np.ndarray
    scale: float


@style
def dataclasses_and_tuples(x, w):
    parameters = Parameters(w, gradients={"w": 2 * w})
    frozen = Frozen(x @ parameters.weights, float(x[0, 0]))
    pair = namedtuple("pair", "left right")(frozen.value, frozen.scale)
    changed = pair._replace(right=pair.right * 2)
    match changed:
        case (left, right):
            total = np.sum(left) * right
    return total + parameters.norm + parameters.bias + np.sum(parameters.gradients["w"])


class Slots:
    __slots__ = ("_h", "cache")

    def __init__(self, h):
        self.h = h
        self.cache = {}

    @property
    def h(self):
        return self._h

    @h.setter
    def h(self, new):
        self._h = np.asarray(new) * 1.0

    @h.deleter
    def h(self):
        del self._h


@style
def slots_and_properties(x, w):
    it = Slots(x)
    it.h = it.h @ w
    it.h += 0.5
    it.h[0] *= 3
    it.cache["h"] = it.h
    kept = it.h
    del it.h
    it.h = kept**2
    return np.sum(it.h) + it.cache["h"].sum()


@style
def partial_and_caches(x, w):
    scaled = functools.partial(np.multiply, 3.0)
    shifted = functools.partial(lambda a, b, c=1.0: a * c + b, b=x[0, 1])

    @functools.cache
    def power(n):
        return x[0, 0] if n == 0 else power(n - 1) * x[1, 1]

    @functools.cache
    def entry(i, j):
        return x[i, j] * w[j, 0]

    class Lazy:
        @functools.cached_property
        def product(self):
            return x @ w

    lazy = Lazy()
    lazy.product[0] += 1
    composed = functools.reduce(lambda f, g: lambda a: g(f(a)), [np.sin, scaled, shifted])
    return power(3) + sum(entry(i, i) for i in range(3)) + np.sum(composed(lazy.product)) + entry(0, 0)


RUNNING = np.zeros(2)
STEPS = 0
LAST = None


@style
def global_writes(x, w):
    global LAST, RUNNING, STEPS
    STEPS += 1
    RUNNING = np.zeros(2)
    RUNNING += np.mean(x @ w, axis=0)
    RUNNING[:] = 0.9 * RUNNING + 0.1 * np.sum(w)
    LAST = {"h": np.exp(RUNNING)}
    globals()["EXTRA"] = LAST["h"][0]
    return np.sum(LAST["h"]) + EXTRA


@style
def dictionaries_of_all_kinds(x, w):
    grads = defaultdict(lambda: np.zeros_like(w))
    grads["w"] += x.T @ (x @ w)
    grads["w"][0] -= w[0]
    settings = ChainMap({"scale": x[0, 0]}, {"scale": 1.0, "shift": x[0, 1]})
    counts = Counter("abca")
    merged = {"a": x[0], "b": x[1]} | {"c": x[2]}
    rates = {key: value.sum() for key, value in merged.items()}
    rates.update(a=rates.pop("b") * 2)
    return np.sum(grads["w"]) * settings["scale"] + settings["shift"] * counts["a"] + sum(rates.values())


@style
def context_managers_and_decorators(x, w):
    @contextmanager
    def scaled(h):
        h *= 2
        yield h
        h /= 4

    def logged(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            call.seen.append(function(*args, **kwargs))
            return call.seen[-1]

        call.seen = []
        return call

    @logged
    def affine(a, *, weights, bias=0.0):
        return a @ weights + bias

    h = affine(x, weights=w)
    with scaled(h) as inside, np.errstate(all="raise"):
        total = np.sum(inside**2)
    return total + np.sum(h) + np.sum(affine.seen[0]) + affine(x[0], weights=w, bias=x[0, 0]).sum()


class Tensor:
    """An engine of its own, as in micrograd."""

    def __init__(self, data, parents=(), back=None):
        self.data, self.parents, self.back, self.grad = data, parents, back, 0.0

    def __add__(self, other):
        return Tensor(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        return Tensor(self.data * other.data, (self, other), lambda g: (g * other.data, g * self.data))

    def tanh(self):
        t = math.tanh(self.data)
        return Tensor(t, (self,), lambda g: (g * (1 - t * t),))

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for parent, part in zip(node.parents, node.back(node.grad) if node.back else (), strict=False):
                parent.grad = parent.grad + part


@style
def an_engine_of_its_own(x, w):
    leaves = [[Tensor(each) for each in row] for row in x.tolist()]
    out = leaves[0][0]
    for row in leaves:
        for a, b in itertools.pairwise(row):
            out = (out * a + b).tanh()
    out.backward()
    return out.data + leaves[0][1].grad * 0.5


@style
def optimiser_with_momentum(x, w):
    weights = {"w": w.copy(), "b": np.zeros(2)}
    velocity = {name: np.zeros_like(each) for name, each in weights.items()}
    loss = 0.0
    for _ in range(3):
        h = x @ weights["w"] + weights["b"]
        loss = np.mean(h**2)
        grads = {"w": x.T @ h / 3, "b": h.mean(0)}
        for name, each in weights.items():
            v = velocity[name]
            v *= 0.9
            v -= 0.1 * grads[name]
            each += v
    return loss
