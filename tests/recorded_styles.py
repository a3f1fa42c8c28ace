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
    setattr(it, "h", kept**2)
    return np.sum(getattr(it, "h")) + it.cache["h"].sum()


@style
def partial_and_caches(x, w):
    scaled = functools.partial(np.multiply, 3.0)
    shifted = functools.partial(lambda a, b, c=1.0: a * c + b, b=x[0, 1])

    @functools.lru_cache(maxsize=None)
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
    return np.sum(LAST["h"]) + EXTRA  # noqa: F821


@style
def exceptions_in_the_middle(x, w):
    total = 0.0
    for i in range(5):
        try:
            try:
                row = x[i]
            except IndexError as error:
                raise ValueError("no such row", total) from error
            total += np.sum(row) ** 2
        except ValueError as error:
            total += 0.5 * error.args[1]
            if i == 4:
                break
        else:
            total -= row[0]
        finally:
            total *= 1.5
    try:
        x.reshape(7, 7)
    except ValueError:
        total += x[0, 0]
    try:
        raise StopIteration(total)
    except StopIteration as stop:
        return stop.value * 2


@style
def recursion_over_trees(x, w):
    def build(values):
        if len(values) == 1:
            return values[0]
        half = len(values) // 2
        return {"left": build(values[:half]), "right": build(values[half:])}

    def evaluate(tree):
        if not isinstance(tree, dict):
            return math.tanh(tree)
        return evaluate(tree["left"]) * w[0, 0] + evaluate(tree["right"]) * w[1, 1]

    return evaluate(build(list(x[0]))) + evaluate(build(x[1]))


@style
def iterators_of_numpy(x, w):
    total = 0.0
    out = np.zeros(x.shape)
    for index in np.ndindex(2, 3):
        out[index] = x[index] ** 2
    for i, each in np.ndenumerate(x):
        total += each * (i[0] + 1)
    for a, b in np.broadcast(x[0], x[1]):
        total += a * b
    it = np.nditer(x, flags=["multi_index"])
    for each in it:
        total = total + x[it.multi_index] * 0.5
    return total + np.sum(out)


@style
def zip_sorted_enumerate(x, w):
    total = 0.0
    for i, (row, column) in enumerate(zip(x, w.T, strict=False)):
        total += np.dot(row, column) * (i + 1)
    ordered = sorted(x[0])
    by_size = sorted(x[1], key=abs, reverse=True)
    largest = max(x, key=np.sum)
    i, smallest = min(enumerate(x[2]), key=lambda pair: pair[1])
    for a, b in itertools.pairwise(ordered):
        total += (b - a) ** 2
    for a in reversed(by_size):
        total = total * 0.5 + a
    running = list(itertools.accumulate(x[0], lambda a, b: a * 0.5 + b))
    chained = list(itertools.chain(*x.tolist()))
    return total + largest[0] * smallest + running[-1] + chained[5] + sum(map(np.square, x[2])) + i


@style
def conditions_on_numbers(x, w):
    total = 0.0
    if any(row[0] > 0 for row in x) and not all(x[0] > 0):
        total += x[0, 0]
    if -10 < x[0, 1] < 10 <= 10 + abs(x[0, 2]):
        total += x[0, 1]
    if isinstance(x[0, 0], float) and isinstance(x.sum(), np.floating) and not isinstance(x[0], float):
        total += x[1, 1] * 2
    if np.isscalar(x[0, 0]) and x[0, 0] in x and math.isfinite(x[0, 0]) and x[0, 0] == x[0, 0].item():
        total += x[2, 2].item() ** 2
    total += x[0, 3] if x[0, 3] else x[1, 3]
    total += (x[0, 0] or 1.0) * (x[0, 1] and 2.0)
    while total > 3:
        total -= abs(x[0, 0]) + 1
    return total


@style
def text_of_values(x, w):
    loss = np.sum(x @ w)
    lines = [f"{loss:.3f}", f"{loss!r} {x[0]}", "%.2e" % loss, "{:>10.4f}".format(loss), str(float(loss))]
    log = "\n".join(lines)
    names = {f"{i}": row for i, row in enumerate(x)}
    return np.sum(names["1"] * names["2"]) + (len(log) > 0) * loss


@style
def sums_of_python(x, w):
    numbers = [each.item() for each in x.ravel()]
    total = math.fsum(numbers) + math.prod(numbers[:3]) + sum(numbers, 0.5) + sum(x).sum()
    total += math.hypot(numbers[0], numbers[1]) + math.copysign(numbers[2], -1.0) + pow(numbers[3], 2)
    total += divmod(numbers[4], 0.3)[1] + round(numbers[5], 1) + float(numbers[6]) * int(3.7)
    return total + math.exp(-(x[0, 0] ** 2)) + math.log1p(numbers[7] ** 2) + complex(1, 0).real


@style
def dictionaries_of_all_kinds(x, w):
    grads = defaultdict(lambda: np.zeros_like(w))
    grads["w"] += x.T @ (x @ w)
    grads["w"][0] -= w[0]
    settings = ChainMap({"scale": x[0, 0]}, {"scale": 1.0, "shift": x[0, 1]})
    counts = Counter("abca")
    merged = {**{"a": x[0]}, "b": x[1]} | {"c": x[2]}
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
        for a, b in zip(row, row[1:], strict=False):
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


@style
def numbers_as_arrays_and_back(x, w):
    total = np.array(0.0)
    total += x[0, 0]
    total[()] = total * 2
    one = np.array([x[0, 1]])
    one[0] += total
    scalar = one.item() + float(total) + np.asarray(x[0, 2])[()] + np.squeeze(x[:1, :1])
    column = np.array([[x[0, 0]], [x[1, 0]]])
    stacked = np.vstack([column.T, [x[2, 0], 1.0]])
    return scalar + stacked.sum() + np.float64(scalar) + np.array([scalar, *x[0]]).max()


@style
def lists_as_matrices(x, w):
    a, b = x.tolist(), w.tolist()
    product = [
        [sum(p * q for p, q in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a
    ]
    product[0][0] += 1
    product.append([0.0, a[0][0]])
    flat = [each for row in product for each in row if each != 0]
    flat.sort()
    flat[0], flat[-1] = flat[-1] * 2, flat[0]
    del flat[1]
    return np.linalg.norm(flat) ** 2 + np.mean(product) + sum(flat[::2])
