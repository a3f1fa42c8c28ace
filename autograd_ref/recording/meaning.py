"""What each operation is in jax.numpy.

jax.numpy has nearly all of NumPy under the same names, with the same arguments: `names` lists what is taken
from it; written here is what differs.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from functools import cache, partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.recording.names import FUNCTIONS, SCIPY, SPECIAL_UFUNCS, UFUNCS
from autograd_ref.recording.tape import Compute
from autograd_ref.recording.template import fill, widened

__all__ = [
    "function_of", "is_elementwise", "is_scipys", "knows_function", "knows_name", "knows_ufunc",
    "ufunc_named",
]  # fmt: skip

# What takes a list or tuple of arrays.
_TAKE_LISTS = {
    "choose", "einsum", "lexsort", "linalg.multi_dot", "scipy.linalg.cho_solve", "scipy.linalg.lu_solve",
    "select",
}  # fmt: skip

# With several axes of their own: not entry by entry.
CORE = {"matmul", "matvec", "vecdot", "vecmat"}

_WRITTEN: dict[str, Callable[..., Any]] = {}


def _written(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        _WRITTEN[name] = function
        return function

    return keep


def knows_name(name: str) -> bool:
    """Whether a ufunc of this name has a meaning."""
    return name in UFUNCS


@cache
def knows_ufunc(ufunc: np.ufunc) -> bool:
    """Whether a ufunc has a meaning."""
    name = ufunc.__name__
    special = getattr(sys.modules.get("scipy.special"), name, None) is ufunc
    if name in UFUNCS or name == "clip":
        return special or getattr(np, name, None) is ufunc or name == "clip"
    return special and (name in SPECIAL_UFUNCS or name in _UFUNCS_WRITTEN)


def ufunc_named(name: str) -> np.ufunc:
    """NumPy's or SciPy's ufunc."""
    if name == "clip":
        from numpy._core import umath

        return vars(umath)["clip"]
    return getattr(np if name in UFUNCS else sys.modules["scipy.special"], name)


def knows_function(name: str) -> bool:
    """Whether a function has a meaning."""
    return (
        name in FUNCTIONS or name in _WRITTEN or (name.removeprefix("scipy.") in SCIPY and "scipy." in name)
    )


def is_scipys(operation: Compute) -> bool:
    """Whether it is SciPy that computes an operation."""
    if operation.kind == "ufunc":
        return operation.name not in UFUNCS and operation.name != "clip"
    return operation.name.startswith("scipy.")


def takes_arrays(name: str) -> bool:
    """Whether a function turns lists among its arguments into arrays."""
    return knows_function(name) and name not in _TAKE_LISTS


def is_elementwise(operation: Compute) -> bool:
    """Whether every entry of the result depends on one entry of each input."""
    if operation.kind == "function":
        return operation.name in ("where", "clip", "astype", "nan_to_num", "round", "around", "sinc", "i0")
    if operation.kind == "number":
        return True
    return operation.name not in CORE and operation.template == "__call__"


def function_of(operation: Compute, exact: bool) -> Callable[..., Any]:
    """The operation as a function of its inputs, on jax.numpy."""
    if operation.kind == "number":
        return _number_function(operation)
    if operation.output is not None:
        every = function_of(operation._replace(output=None), exact)
        return lambda *inputs: every(*inputs)[operation.output]
    if operation.kind == "ufunc":
        return _ufunc_function(operation, exact)
    args, kwargs = operation.template
    literal = widened if exact else None
    function = _named(operation.name)
    arrays = _arrays_of_lists if takes_arrays(operation.name) and "tensordot" not in operation.name else list

    def call(*inputs: Any) -> Any:
        options = fill(kwargs, inputs, literal)
        return function(
            *arrays(fill(args, inputs, literal)),
            **dict(zip(options, arrays(options.values()), strict=True)),
        )

    return call


def _arrays_of_lists(arguments: Iterable[Any]) -> list[Any]:
    """What NumPy turns into arrays; a tuple of integers may be axes or a shape."""
    return [
        jnp.asarray(each)
        if isinstance(each, list) or (isinstance(each, tuple) and any(isinstance(x, float) for x in each))
        else each
        for each in arguments
    ]


def _named(name: str) -> Callable[..., Any]:
    if name in _WRITTEN:
        return _WRITTEN[name]
    found: Any = jax.scipy if name.startswith("scipy.") else jnp
    for part in name.removeprefix("scipy.").split("."):
        found = getattr(found, part)
    return _of_points(found) if name in _REDUCTIONS_BY_NAME else found


# What NumPy does along the axis 0 of a 0-d array, too, which has none.
_REDUCTIONS_BY_NAME = {"all", "amax", "amin", "any", "max", "mean", "min", "prod", "ptp", "std", "sum", "var"}


def _of_points(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        return function(x, axis if jnp.ndim(x) else None, *args, **kwargs)

    return call


def _number_function(operation: Compute) -> Callable[..., Any]:
    if operation.name == "round":
        return lambda x: jnp.round(x, operation.template)
    if operation.name in ("float", "bool", "complex"):
        return lambda x: jnp.reshape(x, ())
    if operation.name == "trunc":
        return lambda x: jnp.reshape(jnp.trunc(x), ())
    if operation.name in ("sum", "max", "min"):
        return {"sum": _add_all, "max": _largest, "min": _smallest}[operation.name]
    if operation.name.startswith("math."):
        return MATH[operation.name.removeprefix("math.")]
    raise AssertionError(operation.name)


def _add_all(*terms: Any) -> Any:
    return reduce(jnp.add, terms)


def _largest(*terms: Any) -> Any:
    return reduce(jnp.maximum, terms)


def _smallest(*terms: Any) -> Any:
    return reduce(jnp.minimum, terms)


def ufunc_function(name: str) -> Callable[..., Any]:
    """A ufunc, entry by entry."""
    if name in _UFUNCS_WRITTEN:
        return _UFUNCS_WRITTEN[name]
    if name in UFUNCS:
        return getattr(jnp, name)
    return getattr(jax.scipy.special, SPECIAL_UFUNCS[name])


_UFUNCS_WRITTEN: dict[str, Callable[..., Any]] = {
    "clip": lambda x, low, high: jnp.minimum(jnp.maximum(x, low), high),
    "fabs": jnp.abs,
    "sign": jnp.sign,
    "float_power": jnp.power,
    "ldexp": lambda x, n: x * jnp.exp2(n.astype(x.dtype)),
    # scipy.special's that are elementary.
    "cosdg": lambda x: jnp.cos(jnp.deg2rad(x)),
    "cosm1": lambda x: -2 * jnp.sin(x / 2) ** 2,
    "cotdg": lambda x: 1 / jnp.tan(jnp.deg2rad(x)),
    "exp10": lambda x: jnp.exp(x * math.log(10.0)),
    "exprel": lambda x: jnp.where(x == 0, 1.0 + x / 2, jnp.expm1(x) / jnp.where(x == 0, 1.0, x)),
    "huber": lambda d, r: jnp.where(jnp.abs(r) <= d, r * r / 2, d * (jnp.abs(r) - d / 2)),
    "inv_boxcox": lambda y, a: jnp.where(a == 0, jnp.exp(y), jnp.exp(jnp.log1p(a * y) / _nonzero(a))),
    "inv_boxcox1p": lambda y, a: jnp.where(a == 0, jnp.expm1(y), jnp.expm1(jnp.log1p(a * y) / _nonzero(a))),
    "betaincc": lambda a, b, x: jax.scipy.special.betainc(b, a, 1 - x),
    "erfcinv": lambda x: -jax.scipy.special.ndtri(x / 2) / math.sqrt(2),
    "erfi": lambda x: 2 / math.sqrt(math.pi) * jnp.exp(x * x) * jax.scipy.special.dawsn(x),
    "log_expit": jax.nn.log_sigmoid,
    "loggamma": jax.scipy.special.gammaln,
    "round": jnp.round,
    "spence": lambda x: _spence(x),
    "powm1": lambda x, y: jnp.expm1(y * jnp.log(x)),
    "pseudo_huber": lambda d, r: d * d * (jnp.sqrt(1 + (r / d) ** 2) - 1),
    "radian": lambda d, m, s: jnp.deg2rad(d + m / 60 + s / 3600),
    "rgamma": lambda x: 1 / jax.scipy.special.gamma(x),
    "sindg": lambda x: jnp.sin(jnp.deg2rad(x)),
    "tandg": lambda x: jnp.tan(jnp.deg2rad(x)),
}


_spence: Any = jax.custom_jvp(jax.scipy.special.spence)

# d/dx spence(x) = log(x) / (1 - x), -1 at x = 1: the definition, https://dlmf.nist.gov/25.12.E2.
_spence.defjvps(lambda step, _, x: step * jnp.where(x == 1, -1.0, jnp.log(x) / jnp.where(x == 1, 1.0, 1 - x)))


def _nonzero(a: Any) -> Any:
    return jnp.where(a == 0, 1.0, a)


def _ufunc_function(operation: Compute, exact: bool) -> Callable[..., Any]:
    template = operation.template
    method, *rest = (template,) if isinstance(template, str) else template
    masked = len(rest) > 1
    function = ufunc_function(operation.name)
    literal = widened if exact else None
    count = ufunc_named(operation.name).nin

    def keywords(inputs: Any) -> dict[str, Any]:
        return _used(fill(rest[0], inputs, literal)) if rest else {}

    if method == "__call__":

        def call(*inputs: Any) -> Any:
            used, more = inputs[:count], inputs[count:]
            options = keywords(more)
            where = options.pop("where", True)
            options.pop("dtype", None)
            result = function(*used, **options)
            return jnp.where(where, result, inputs[-1]) if masked else result

        return call
    if method == "reduce":
        return lambda *inputs: _reduce(operation.name, inputs[0], **keywords(inputs[1:]))
    if method == "accumulate":
        return lambda *inputs: _accumulate(operation.name, inputs[0], **keywords(inputs[1:]))
    if method == "outer":
        return lambda a, b, *_: function(a.reshape(a.shape + (1,) * b.ndim), b)
    if method == "reduceat":
        return lambda *inputs: _reduceat(operation.name, inputs[0], **keywords(inputs[1:]))
    if method == "at":
        return lambda *inputs: _at(operation.name, *inputs)
    raise AssertionError(method)


def _used(options: dict[str, Any]) -> dict[str, Any]:
    """Without what has no bearing on the values."""
    return {
        key: each
        for key, each in options.items()
        if key not in ("casting", "order", "subok", "out", "signature")
    }


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": jnp.sum, "multiply": jnp.prod, "maximum": jnp.max, "minimum": jnp.min, "logical_and": jnp.all,
    "logical_or": jnp.any,
}  # fmt: skip


def _reduce(
    name: str,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    if not (isinstance(initial, (int, float)) or initial is None or hasattr(initial, "shape")):
        initial = None  # np._NoValue
    axis = axis if x.ndim else None
    if dtype is not None:
        x = x.astype(dtype)
    if name in _REDUCTIONS:
        options: dict[str, Any] = {} if where is True else {"where": where}
        if initial is not None:
            options["initial"] = initial
        if name in ("logical_and", "logical_or"):
            options.pop("initial", None)
        return _REDUCTIONS[name](x, axis=axis, keepdims=keepdims, **options)
    function = ufunc_function(name)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(a % x.ndim for a in axes)
    rest = [a for a in range(x.ndim) if a not in axes]
    rows = jnp.transpose(x, (*axes, *rest)).reshape((-1, *(x.shape[a] for a in rest)))
    total = rows[0] if initial is None else function(initial, rows[0])
    for row in rows[1:]:
        total = function(total, row)
    return jnp.expand_dims(total, sorted(axes)) if keepdims else total


def _accumulate(name: str, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    if dtype is not None:
        x = x.astype(dtype)
    known: dict[str, Callable[..., Any]] = {"add": jnp.cumsum, "multiply": jnp.cumprod}
    if name in known:
        return known[name](x, axis=axis)
    function = ufunc_function(name)
    rows = jnp.moveaxis(x, axis, 0)

    def step(total: Any, row: Any) -> tuple[Any, Any]:
        total = function(total, row)
        return total, total

    _, more = jax.lax.scan(step, rows[0], rows[1:])
    return jnp.moveaxis(jnp.concatenate([rows[:1], more]), 0, axis)


def _reduceat(name: str, x: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    ends = [*indices[1:], x.shape[axis]]
    parts = [
        _reduce(name, jax.lax.slice_in_dim(x, i, end if end > i else i + 1, axis=axis), axis, dtype)
        for i, end in zip(indices, ends, strict=True)
    ]
    return jnp.stack(parts, axis)


def _at(name: str, x: Any, positions: Any, *operand: Any) -> Any:
    flat = x.reshape(-1)
    places = positions.reshape(-1)
    others = [jnp.broadcast_to(each, positions.shape).reshape(-1) for each in operand]
    if name in ("add", "subtract"):
        terms = others[0] if name == "add" else -others[0]
        return flat.at[places].add(terms.astype(flat.dtype)).reshape(x.shape)
    function = ufunc_function(name)

    def step(flat: Any, each: Any) -> tuple[Any, None]:
        place, *other = each
        return flat.at[place].set(function(flat[place], *other).astype(flat.dtype)), None

    flat, _ = jax.lax.scan(step, flat, (places, *others))
    return flat.reshape(x.shape)


@_written("conj")
@_written("conjugate")
def _conjugate(x: Any) -> Any:
    return jnp.conj(x)


@_written("fix")
def _fix(x: Any, *_: Any) -> Any:
    return jnp.trunc(x)


@_written("scipy.special.softplus")
def _softplus(x: Any) -> Any:
    return jnp.logaddexp(x, 0.0)


@_written("linalg.lstsq")
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    x, _, rank, s = jnp.linalg.lstsq(a, b, rcond)
    residuals = jnp.sum((b - a @ x) ** 2, axis=0)
    # NumPy gives none where there is nothing left over.
    return x, jnp.atleast_1d(residuals)[: None if a.shape[0] > a.shape[1] else 0], rank, s


@_written("scipy.linalg.lstsq")
def _scipys_lstsq(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    x, residuals, rank, s = _lstsq(a, b)
    return x, residuals if b.ndim > 1 or not residuals.size else residuals[0], rank, s


@_written("scipy.linalg.cho_factor")
def _cho_factor(a: Any, lower: bool = False, *_: Any, **__: Any) -> Any:
    factor = jnp.linalg.cholesky(a, upper=not lower)
    # LAPACK leaves the other triangle as it was.
    return (factor + jnp.triu(a, 1) if lower else factor + jnp.tril(a, -1)), lower


@_written("scipy.linalg.eigh")
def _eigh(a: Any, *_: Any, lower: bool = True, eigvals_only: bool = False, **__: Any) -> Any:
    return jnp.linalg.eigvalsh(a) if eigvals_only else _eigh_by_scipy(a, lower)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _eigh_by_scipy(a: Any, lower: bool) -> Any:
    """As SciPy computes it: its driver is not JAX's, and gives some eigenvectors the other sign."""
    shapes = (jax.ShapeDtypeStruct(a.shape[:-1], a.real.dtype), jax.ShapeDtypeStruct(a.shape, a.dtype))
    eigh = partial(sys.modules["scipy"].linalg.eigh, lower=lower)
    return jax.pure_callback(lambda a: eigh(np.asarray(a)), shapes, a)


@_eigh_by_scipy.defjvp
def _eigh_slope(lower: bool, at: Any, along: Any) -> Any:
    """Giles, Collected matrix derivative results for forward and reverse mode AD, 2008, section 3.1."""
    ((a,), (step,)) = at, along
    w, v = _eigh_by_scipy(a, lower)
    turned = jnp.swapaxes(v.conj(), -1, -2) @ ((step + jnp.swapaxes(step.conj(), -1, -2)) / 2) @ v
    gaps = jnp.where(jnp.eye(a.shape[-1], dtype=bool), jnp.inf, w[..., None, :] - w[..., None])
    return (w, v), (jnp.diagonal(turned, axis1=-2, axis2=-1).real, v @ (turned / gaps))


@_written("scipy.linalg.norm")
def _norm(
    x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Any:
    return jnp.linalg.norm(x, ord, axis, keepdims)


@_written("scipy.linalg.pinv")
def _pinv(x: Any, **_: Any) -> Any:
    return jnp.linalg.pinv(x)


@_written("scipy.linalg.svdvals")
def _svdvals(x: Any, *_: Any, **__: Any) -> Any:
    return jnp.linalg.svdvals(x)


@_written("scipy.linalg.eigvalsh")
def _eigvalsh(x: Any, *_: Any, **__: Any) -> Any:
    return jnp.linalg.eigvalsh(x)


@_written("scipy.linalg.khatri_rao")
def _khatri_rao(a: Any, b: Any) -> Any:
    return (a[:, None] * b[None]).reshape(-1, a.shape[1])


@_written("astype")
def _astype(x: Any, dtype: Any, *_: Any, **__: Any) -> Any:
    return x.astype(dtype)


@_written("clip")
def _clip(
    x: Any, a_min: Any = None, a_max: Any = None, *_: Any, min: Any = None, max: Any = None, **__: Any
) -> Any:
    low = a_min if a_min is not None else min
    high = a_max if a_max is not None else max
    x = x if low is None else jnp.maximum(x, low)
    return x if high is None else jnp.minimum(x, high)


@_written("choose")
def _choose(a: Any, choices: Any, *_: Any, mode: str = "raise", **__: Any) -> Any:
    # In mode "raise" every index was found to be in range.
    return jnp.choose(jnp.asarray(a), choices, mode="wrap" if mode == "raise" else mode)


@_written("ndarray.sort")
def _sort(x: Any, axis: int = -1, *_: Any, **__: Any) -> Any:
    return jnp.sort(x, axis)


@_written("sort")
def _sorted(x: Any, axis: int | None = -1, *_: Any, **__: Any) -> Any:
    return jnp.sort(x, axis)


@_written("einsum")
def _einsum(*operands: Any, optimize: Any = False, dtype: Any = None, **_: Any) -> Any:
    result = jnp.einsum(*operands)
    return result if dtype is None else result.astype(dtype)


def _table_of_math() -> dict[str, Callable[..., Any]]:
    names = {
        "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
        "atan2": "arctan2", "atanh": "arctanh", "fabs": "abs", "pow": "power",
    }  # fmt: skip
    same = (
        "cbrt", "ceil", "copysign", "cos", "cosh", "degrees", "exp", "exp2", "expm1", "floor", "fmod",
        "isfinite", "isinf", "isnan", "log10", "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan",
        "tanh", "trunc",
    )  # fmt: skip
    table: dict[str, Callable[..., Any]] = {name: getattr(jnp, other) for name, other in names.items()}
    table |= {name: getattr(jnp, name) for name in same}
    special = jax.scipy.special
    table |= {"erf": special.erf, "erfc": special.erfc, "lgamma": special.gammaln, "gamma": special.gamma}
    table["log"] = lambda x, *base: jnp.log(x) / jnp.log(base[0]) if base else jnp.log(x)
    table["hypot"] = lambda *xs: jnp.sqrt(_add_all(*(x * x for x in xs)))
    table["fsum"] = _add_all
    table["prod"] = lambda *xs: reduce(jnp.multiply, xs)
    table["remainder"] = lambda x, y: x - y * jnp.round(x / y)
    return table


MATH = _table_of_math()
