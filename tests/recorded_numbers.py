"""Programs that compute with single numbers, as Python does; `x` is (3, 4), `w` (4, 2)."""

import itertools
import math

import numpy as np
from recorded_styles import STYLES, style

__all__ = ["STYLES"]


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
    for _ in it:
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
    lines = [f"{loss:.3f}", f"{loss!r} {x[0]}", f"{loss:.2e}", f"{loss:>10.4f}", str(float(loss))]
    log = "\n".join(lines)
    names = {f"{i}": row for i, row in enumerate(x)}
    return np.sum(names["1"] * names["2"]) + (len(log) > 0) * loss


@style
def sums_of_python(x, w):
    numbers = [each.item() for each in x.ravel()]
    total = math.fsum(numbers) + math.prod(numbers[:3]) + sum(numbers, 0.5) + sum(x).sum()
    total += math.hypot(numbers[0], numbers[1]) + math.copysign(numbers[2], -1.0) + pow(numbers[3], 2)
    turn = complex(numbers[0], numbers[1])
    total += math.dist(numbers[:2], numbers[2:4]) + (turn * turn).imag + complex(imag=numbers[2]).imag
    total += divmod(numbers[4], 0.3)[1] + round(numbers[5], 1) + float(numbers[6]) * int(3.7)
    return total + math.exp(-(x[0, 0] ** 2)) + math.log1p(numbers[7] ** 2) + complex(1, 0).real


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
