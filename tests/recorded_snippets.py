"""Small programs, each a way of using NumPy: what the recording must cover. `x` is (3, 4), `w` (4, 2), `m` an integer array."""

import functools
import math
from collections import deque

import numpy as np

SNIPPETS = {}


def snippet(function):
    SNIPPETS[function.__name__] = function
    return function


def _of(name, expression):
    """A program of one expression."""
    source = f"def {name}(x, w, m):\n    return {expression}\n"
    scope = globals()
    exec(compile(source, f"<{name}>", "exec"), scope)
    SNIPPETS[name] = scope[name]


for _ufunc in (
    "sin", "cos", "tan", "tanh", "sinh", "cosh", "arctan", "arcsinh", "exp", "exp2", "expm1", "square", "negative",
    "positive", "cbrt", "deg2rad", "rad2deg", "degrees", "radians", "absolute", "fabs", "reciprocal", "floor",
    "ceil", "rint", "trunc", "sign",
):  # fmt: skip
    _of(f"u_{_ufunc}", f"np.sum(np.{_ufunc}(x * 1.7) * x)")
for _ufunc in ("log", "log2", "log10", "log1p", "sqrt", "arccosh"):
    _of(f"u_{_ufunc}", f"np.sum(np.{_ufunc}(x * x + 1.5))")
for _ufunc in ("arcsin", "arccos", "arctanh"):
    _of(f"u_{_ufunc}", f"np.sum(np.{_ufunc}(0.9 * np.tanh(x)))")
for _ufunc in (
    "add", "subtract", "multiply", "divide", "arctan2", "hypot", "maximum", "minimum", "fmax", "fmin", "logaddexp",
    "logaddexp2", "copysign", "fmod", "remainder", "floor_divide",
):  # fmt: skip
    _of(f"b_{_ufunc}", f"np.sum(np.{_ufunc}(x, x[:, :1] + 0.3) ** 2)")
    _of(f"b_{_ufunc}_out", f"[o := np.empty_like(x), np.{_ufunc}(x, 0.7, out=o), np.sum(o * x)][-1]")
for _ufunc in ("add", "multiply", "maximum", "minimum", "logaddexp", "subtract", "hypot"):
    _of(f"r_{_ufunc}_reduce", f"np.sum(np.{_ufunc}.reduce(x, axis=1) ** 2)")
    _of(f"r_{_ufunc}_accumulate", f"np.sum(np.{_ufunc}.accumulate(x, axis=1) * x)")
    _of(f"r_{_ufunc}_reduceat", f"np.sum(np.{_ufunc}.reduceat(x, [0, 2, 1], axis=1) ** 2)")
    _of(f"r_{_ufunc}_outer", f"np.sum(np.{_ufunc}.outer(x[0], w[:, 0]) ** 2)")
for _name, _expression in {
    "reduce_keepdims": "np.sum(x / np.add.reduce(x ** 2, axis=1, keepdims=True))",
    "reduce_initial": "np.add.reduce(x, axis=None, initial=2.0) ** 2",
    "reduce_where": "np.add.reduce(x, axis=None, where=x > 0) ** 2",
    "sum_axes": "(x.sum(axis=(0, 1)) ** 2 + np.sum(x.sum(0) ** 2) + np.sum(np.sum(x, 1, keepdims=True) ** 3))",
    "sum_dtype": "np.sum(x, dtype=np.float32) ** 2",
    "mean_var_std": "x.mean() + np.mean(x, axis=0).sum() ** 2 + x.var(axis=1).sum() + np.std(x, ddof=1) + x.std(0).sum()",
    "prod": "x.prod() + np.prod(x, axis=1).sum()",
    "cums": "np.sum(np.cumsum(x, axis=1) * x) + np.sum(x.cumsum() ** 2) + np.cumprod(x, 1).sum()",
    "maxmin": "x.max() * x.min() + np.sum(np.max(x, axis=1) ** 2) + np.amin(x, 0).sum() + np.ptp(x)",
    "argmax": "np.sum(x[np.arange(3), np.argmax(x, axis=1)] ** 2) + x.ravel()[x.argmin()]",
    "sorting": "np.sum(np.sort(x, axis=1) * np.arange(4.0)) + np.sum(x[:, np.argsort(x[0])] * x)",
    "median": "np.median(x) ** 2 + np.percentile(x, 30) + np.quantile(x, 0.2, axis=1).sum()",
    "clip": "np.sum(np.clip(x, -0.5, 0.5) ** 2) + x.clip(min=0).sum() + np.clip(x, None, 0.1).sum()",
    "where": "np.sum(np.where(x > 0, x, 0.1 * x) * x) + np.where(x < 0, 1.0, x).sum()",
    "select": "np.sum(np.select([x > 0.5, x < -0.5], [x * 2, x ** 2], 0.0))",
    "products": "np.sum((x @ w) ** 2) + np.sum(np.dot(x, w)) + x.dot(w).sum() + np.inner(x, x).sum() + np.vdot(x, x)",
    "products2": "np.sum(np.outer(x[0], w[:, 1]) ** 2) + np.tensordot(x, w, 1).sum() + np.kron(x, w).sum() + np.trace(x)",
    "einsum": "np.einsum('ij,jk->', x, w) + np.sum(np.einsum('ij,ik->jk', x, x) ** 2) + np.einsum('ii', x[:3, :3])",
    "einsum_optimize": "np.sum(np.einsum('ij,jk,lk->il', x, w, w[:2], optimize=True) ** 2)",
    "matmul_stack": "np.sum(np.matmul(np.stack([x, 2 * x]), w) ** 2)",
    "power": "np.sum(x ** 2) + np.sum(x ** 3) + np.sum(np.abs(x) ** 1.5) + np.sum(2.0 ** x) + np.sum((x * x) ** x)",
    "power_int": "np.sum(np.power(x, 3)) + np.sum(x ** -1) + np.sum((x * x) ** 0.5)",
    "scalar_power": "x[0, 0] ** 3 + x[1, 1] ** 2.5 if x[1, 1] > 0 else x[0, 0] ** 3 + (-x[1, 1]) ** 2.5",
    "operators": "np.sum((-x + 3) / (x * x + 1) - (2 - x) * +x) + np.sum(abs(x) // 2) + np.sum(x % 1.5)",
    "reshape": "np.sum(x.reshape(4, 3) @ x) + x.ravel()[5] * x.flatten()[2] + np.reshape(x, (2, -1))[0, 3]",
    "transposes": "np.sum(x.T @ x) + np.sum(np.swapaxes(x, 0, 1)[1] ** 2) + x.transpose(1, 0)[2].sum() + np.moveaxis(x, 0, 1)[0, 0]",
    "fortran": "np.sum(np.asfortranarray(x).reshape(-1, order='F') * x.ravel(order='K'))",
    "joining": "np.sum(np.concatenate([x, x ** 2]) * 2) + np.sum(np.stack([x, x]) ** 2) + np.vstack([x[0], x[1]]).sum() + np.hstack([x, x])[0, 5]",
    "joining2": "np.sum(np.append(x, 1.0) ** 2) + np.column_stack([x[:, 0], x]).sum() + np.block([[x, x], [x, x]]).sum() + np.r_[x[0], 1.0].sum()",
    "splitting": "np.sum(np.split(x, 2, axis=1)[0] ** 2) + sum(np.sum(p ** 2) for p in np.array_split(x, 2)) + np.hsplit(x, 2)[1].sum()",
    "repeating": "np.sum(np.repeat(x, 2, axis=0) ** 2) + np.sum(np.tile(x, (2, 1)) * 3) + np.sum(np.roll(x, 1, axis=1) * x) + x.repeat(2).sum()",
    "padding": "np.sum(np.pad(x, ((1, 1), (0, 2))) ** 2) + np.sum(np.pad(x, 1, mode='edge') ** 2) + np.sum(np.pad(x, 1, mode='reflect') ** 2)",
    "triangles": "np.sum(np.tril(x) * x) + np.triu(x, 1).sum() + np.sum(np.diag(x) ** 2) + np.diagflat(x[0]).sum() + x.diagonal(1).sum()",
    "flipping": "np.sum(x[::-1] * x) + np.sum(np.flip(x, 1) * x) + np.rot90(x)[0, 0]",
    "expanding": "np.sum(x[:, None] * x[None]) + np.expand_dims(x, 0).sum() ** 2 + np.squeeze(x[:1]).sum() + np.atleast_2d(x[0]).sum()",
    "broadcasting": "np.sum(np.broadcast_to(x[0], (3, 4)) * x) + np.sum(np.broadcast_arrays(x, x[:1])[1] ** 2)",
    "meshgrid": "np.sum(np.meshgrid(x[0], w[:, 0])[0] ** 2)",
    "taking": "np.sum(np.take(x, [0, 2, 2], axis=0) ** 2) + np.take_along_axis(x, np.argsort(x, 1), 1)[0, 0] + x.take([3, 1]).sum() + np.compress([1, 0, 1], x, axis=0).sum()",
    "indices": "np.sum(x[[0, 2, 0]] ** 2) + np.sum(x[m, m] ** 2) + x[1, 2] * x[-1, -1] + np.sum(x[1:, [0, 1]]) + np.sum(x[m, 1:3])",
    "masks": "np.sum(x[x > 0] ** 2) + np.sum(x * (x > 0)) + np.sum((x > 0.2) * x * x) + np.sum(x[x[:, 0] > 0])",
    "newaxis": "np.sum(x[..., np.newaxis] * w.T[:, None, :].T[None, :, 0]) + x[..., 0].sum()",
    "norm": "np.linalg.norm(x) + np.linalg.norm(x, axis=1).sum() + np.linalg.norm(x[0], 1) + np.linalg.norm(w, 'fro')",
    "linalg": "np.linalg.det(w.T @ w + np.eye(2)) + np.sum(np.linalg.inv(w.T @ w + np.eye(2))) + np.sum(np.linalg.solve(x.T @ x + np.eye(4), w))",
    "linalg2": "np.linalg.slogdet(w.T @ w + np.eye(2))[1] + np.sum(np.linalg.cholesky(x.T @ x + np.eye(4))) + np.sum(np.linalg.matrix_power(w.T @ w, 3))",
    "diffs": "np.sum(np.diff(x, axis=1) ** 2) + np.sum(np.gradient(x[0]) ** 2) + np.trapezoid(x[0]) + np.convolve(x[0], w[:, 0]).sum()",
    "logic": "np.sum(np.logical_and(x > 0, x < 1) * x) + np.any(x > 0) * x[0, 0] + np.all(x < 100) * x[1, 1] + np.sum(~(x > 0) * x)",
    "nans": "np.nansum(x) + np.sum(np.nan_to_num(x)) + np.nanmean(x) + np.sum(np.isnan(x) * 1.0)",
    "astype": "np.sum(x.astype(np.float32) ** 2) + np.sum((x > 0).astype(float) * x) + x.astype(int).sum() * 1.0",
    "averages": "np.average(x, weights=np.abs(x)) + np.average(x, axis=0).sum() + np.cov(x).sum()",
    "float_": "float(np.sum(x)) * float(x[0, 0]) + x.sum().item() ** 2 + x[0, 1].item()",
    "math_": "math.exp(x[0, 0]) + math.log(x[0, 1] ** 2 + 1) + math.sqrt(float(np.sum(x * x))) + math.tanh(x[1, 0]) + math.pow(2.0, x[0, 0])",
    "builtins_": "sum(x[0]) + sum(v * v for v in x.ravel()) + abs(x[0, 0]) + max(x[0, 1], 0.1) + min(x[1, 0], x[1, 1], 0.0) + max(x[2])",
    "rounding": "np.sum(np.round(x, 1) * x) + round(x[0, 0], 1) * x[0, 1] + int(x[0, 0]) * x[1, 1]",
    "list_array": "np.sum(np.array([x[0, 0], x[1, 1] ** 2, 3.0]) ** 2) + np.array([[v * v for v in row] for row in x]).sum() + np.asarray([x[0], x[1]]).sum() + np.mean([x[0, 0], x[0, 1]])",
    "exp_list": "np.exp([x[0, 0], x[0, 1]]).sum() + np.maximum([x[0, 0], 0.0], 0.1).sum() + np.sum([x[0, 0], x[1, 0]])",
    "copies": "np.sum(np.copy(x) * x) + np.array(x).sum() + x.copy().sum() + np.array(x, dtype=np.float32).sum() + np.ascontiguousarray(x.T)[0].sum()",
    "comparison": "x[0, 0] if x[0, 0] > x[0, 1] else x[0, 1] * 2",
    "iteration": "sum([np.sum(row) ** 2 for row in x]) + sum([v * i for i, v in enumerate(x[0])]) + sum([a * b for a, b in zip(x[0], w[:, 0])])",
    "flat": "sum([v * v for v in x.flat]) + x.flat[3] ** 2 + x.flat[1:3].sum()",
    "ndenumerate_": "sum([v * v * i for (i, j), v in np.ndenumerate(x)])",
    "unpack": "(lambda a, b, c: np.sum(a * b) + np.sum(c ** 2))(*x)",
    "stacked_float": "np.float64(x[0, 0]) * np.float32(2.0) + np.float64(np.sum(x)) ** 2",
    "modf_": "np.sum(np.modf(x * 3)[0] * x) + np.sum(np.divmod(x, 0.7)[1])",
    "int_sums": "np.sum(x > 0) * x[0, 0] + np.count_nonzero(x > 0) * x[1, 1] + np.sum(x[0]) / (x > -100).sum()",
    "stride_tricks": "np.sum(np.lib.stride_tricks.sliding_window_view(x[0], 2) ** 2) + np.sum(np.lib.stride_tricks.as_strided(x, (2, 4), x.strides) ** 2)",
    "cross": "np.sum(np.cross(x[0, :3], x[1, :3]) ** 2)",
    "boolean_means": "np.mean(x > 0) * x[0, 0] + (x[0] > 0).mean() * x[0, 1] + np.std(m) * x[1, 1]",
    "isclose_": "np.sum(x) if not np.allclose(x, 0) else 0.0",
    "where_tuple": "np.sum(x[np.where(x > 0)] ** 2) + np.sum(x[np.nonzero(x > 0)])",
    "interp_": "np.interp(0.5, np.array([0.0, 1.0, 2.0]), x[0, :3]) ** 2",
    "divmod_scalars": "x[0, 0] // 0.3 * x[0, 1] + x[0, 0] % 0.3 + divmod(x[0, 1], 0.4)[1]",
    "full_": "np.sum(np.full((2, 2), x[0, 0]) ** 2) + np.full_like(x, x[0, 1]).sum() + np.sum(np.ones_like(x) * x)",
    "computed_pads": "sum([np.sum(np.cos(np.pad(x, ((1, 2), (0, 1)), each))) for each in ('mean', 'median', 'maximum', 'minimum', 'linear_ramp')]) + np.sum(np.pad(x, 1, 'reflect', reflect_type='odd') ** 2)",
}.items():  # fmt: skip
    _of(_name, _expression)


@snippet
def in_place(x, w, m):
    h = x @ w
    h += 1.0
    h *= h
    h[0] -= h[1]
    h[:, 1] /= 2.0
    h[h > 1] = 0.5
    h **= 2
    return np.sum(h)


@snippet
def view_of_view(x, w, m):
    a = x * 2
    b = a[1:]
    c = b.T
    c[0] = x[0, :2] ** 2
    d = c[::-1, ::2]
    d += 1
    return np.sum(a * a) + np.sum(b**3)


@snippet
def overwritten(x, w, m):
    a = np.exp(x)
    first = a[0]
    kept = a[0].copy()
    a[0] = 0
    return np.sum(first * x[0]) + np.sum(kept * x[0]) + np.sum(a)


@snippet
def filled(x, w, m):
    out = np.zeros((3, 2))
    for i in range(3):
        for j in range(2):
            out[i, j] = np.sum(x[i] * w[:, j])
    return np.sum(np.tanh(out))


@snippet
def add_at(x, w, m):
    out = np.zeros((4, 4))
    np.add.at(out, m, x)
    np.subtract.at(out, (m, 1), x[:, 0])
    scaled = np.ones(3)
    np.multiply.at(scaled, [0, 1, 1], x[0, :3])
    np.maximum.at(scaled, 2, x[0, 0])
    return np.sum(out**2) + np.sum(scaled)


@snippet
def copyto_and_friends(x, w, m):
    a = np.empty_like(x)
    np.copyto(a, x)
    np.copyto(a, 0.5, where=x > 1)
    a.fill(2.0)
    a[...] = x * x
    np.put(a, [0, 1], [3.0, 4.0])
    np.putmask(a, x < -1, 0.0)
    np.fill_diagonal(a, 1.0)
    a[1] = a[0]
    a.sort(axis=1)
    return np.sum(a * np.arange(4))


@snippet
def out_arguments(x, w, m):
    a = np.zeros((3, 2), dtype=x.dtype)
    np.dot(x, w, out=a)
    np.maximum(a, 0, out=a)
    b = np.zeros(3)
    np.sum(a, axis=1, out=b)
    a.clip(0.0, 2.0, out=a)
    np.exp(b, b)
    np.divide(b, 2, out=b, where=b > 1)
    return b.sum() + a.mean()


@snippet
def lists_by_layer(x, w, m):
    weights = [w, w.T @ w]
    h = [x]
    for each in weights:
        h.append(np.tanh(h[-1] @ each))
    queue = deque(h)
    return np.sum(queue.pop() ** 2)


@snippet
def float32_inside(x, w, m):
    h = (x @ w).astype(np.float32)
    return np.sum(h * np.float32(2)) + np.sum(x)


@snippet
def generators(x, w, m):
    def rows():
        for row in x:
            yield row * 2

    return functools.reduce(lambda a, b: a + np.sum(b * b), rows(), 0.0)


@snippet
def recursion(x, w, m):
    def product(values):
        return values[0] if len(values) == 1 else values[0] * product(values[1:])

    return product(x[0]) + product(list(x[1]))


@snippet
def classes(x, w, m):
    class Layer:
        def __init__(self, weights):
            self.weights = weights

        def __call__(self, inputs):
            self.inputs = inputs
            return inputs @ self.weights

        @property
        def size(self):
            return np.sum(self.weights**2)

    layer = Layer(w)
    return np.sum(layer(x)) + layer.size


@snippet
def random_constants(x, w, m):
    rng = np.random.default_rng(0)
    np.random.seed(1)
    mask = (np.random.rand(*x.shape) < 0.5) / 0.5
    noise = rng.standard_normal(x.shape)
    return np.sum(x * mask + noise * x**2) + np.random.randn() * x[0, 0]


@snippet
def weights_made_inside(x, w, m):
    rng = np.random.default_rng(3)
    hidden = rng.standard_normal((4, 5))
    hidden[0] = x[0, 0]
    hidden[:, 1] -= x[0]
    data = rng.random((2, 4))
    rng.shuffle(data)
    state = np.random.RandomState(0)
    order = state.permutation(5)
    return np.sum(np.tanh(data @ hidden)[:, order[:3]]) + np.sum(state.randn(3) * x[:, 0])


@snippet
def while_newton(x, w, m):
    y = 1.0
    target = x[0, 0] ** 2 + 1
    while abs(y * y - target) > 1e-12:
        y = 0.5 * (y + target / y)
    return y


@snippet
def scalars_keep(x, w, m):
    a = x.copy()
    first = a[0, 0]
    a[0, 0] = 5.0
    return first * 2 + a[0, 0] * a[0, 1]


@snippet
def set_shape(x, w, m):
    a = x * 1.0
    a.shape = (4, 3)
    a.resize((2, 6))
    return np.sum(a[0] ** 2)


@snippet
def convolution(x, w, m):
    image = np.pad(x, 1)
    out = np.zeros((3, 4))
    kernel = w[:3, :] @ w[:3, :].T
    for i in range(3):
        for j in range(4):
            out[i, j] = np.sum(image[i : i + 3, j : j + 3] * kernel)
    return np.sum(out * np.maximum(out, 0))


@snippet
def pooling(x, w, m):
    out = np.zeros((1, 2))
    for j in range(2):
        window = x[0:2, 2 * j : 2 * j + 2]
        out[0, j] = np.max(window)
    return np.sum(out**2)


@snippet
def where_masked_out(x, w, m):
    out = np.zeros_like(x)
    np.log(x, out=out, where=x > 0)
    return np.sum(out * x)


@snippet
def nested_lists(x, w, m):
    rows = [[v for v in row] for row in x.tolist()]
    total = 0
    for row in rows:
        for v in row:
            total += v * v
    return total


@snippet
def mixed_integers(x, w, m):
    counts = np.zeros(4, dtype=int)
    counts[m] += 1
    order = np.argsort(-x[0])
    return np.sum(counts * x[0]) + x[0][order][0] * 3


@snippet
def strings_and_hash(x, w, m):
    loss = np.sum(x)
    seen = {loss: 1, "a": 2}
    text = f"{loss:.3f} {loss} %.2f" % loss
    return loss * len(seen) + len(text) * 0.0


@snippet
def try_except(x, w, m):
    try:
        x.reshape(5, 5)
    except ValueError:
        y = x * 2
    return np.sum(y)


@snippet
def global_state(x, w, m):
    cache = {}
    cache["x"] = x
    cache["h"] = cache["x"] @ w
    cache.setdefault("out", []).append(np.tanh(cache["h"]))
    return np.sum(cache["out"][0])


assert math  # the expressions use it
