"""NumPy's and SciPy's ufuncs and their methods in jax.numpy."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autograd_ref.recording.meaning.names import SPECIAL_UFUNCS, UFUNCS
from autograd_ref.recording.tape import Compute
from autograd_ref.recording.template import fill, widened

__all__ = ["CORE", "knows_name", "knows_ufunc", "method_of", "ufunc_named"]

# Ufuncs with axes of their own, which are not elementwise.
CORE = {"matmul", "matvec", "vecdot", "vecmat"}


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
    """Return NumPy's or SciPy's ufunc."""
    if name == "clip":
        from numpy._core import umath

        return vars(umath)["clip"]
    return getattr(np if name in UFUNCS else sys.modules["scipy.special"], name)


def ufunc_function(name: str) -> Callable[..., Any]:
    """Return a ufunc's elementwise function."""
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
    # Elementary ufuncs of scipy.special.
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
    "i0": jnp.i0,  # jax.scipy.special's has slope 1 at 0
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


def method_of(operation: Compute) -> Callable[..., Any]:
    """Return the call of a ufunc, or of one of its methods, as a function of the inputs."""
    template = operation.template
    method, *rest = (template,) if isinstance(template, str) else template
    masked = len(rest) > 1
    function = ufunc_function(operation.name)
    count = ufunc_named(operation.name).nin

    def keywords(inputs: Any) -> dict[str, Any]:
        return _used(fill(rest[0], inputs, widened)) if rest else {}

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
    """Return the options without the ones that do not affect the values."""
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
