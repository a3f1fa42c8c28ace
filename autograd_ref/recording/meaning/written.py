"""NumPy's and SciPy's functions that are missing in jax.numpy or have other arguments there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["WRITTEN"]

WRITTEN: dict[str, Callable[..., Any]] = {
    "astype": lambda x, dtype, *_, **__: x.astype(dtype),
    "computed pad": lambda *args, **options: jnp.pad(*args, **options),
    "conj": lambda x: jnp.conj(x),
    "conjugate": lambda x: jnp.conj(x),
    "fix": lambda x, *_: jnp.trunc(x),
    "ndarray.sort": lambda x, axis=-1, *_, **__: jnp.sort(x, axis),
    "sort": lambda x, axis=-1, *_, **__: jnp.sort(x, axis),
    "scipy.linalg.eigvalsh": lambda x, *_, **__: jnp.linalg.eigvalsh(x),
    # With more squarings than 16 it gives up by default.
    "scipy.linalg.expm": lambda x: jax.scipy.linalg.expm(x, max_squarings=64),
    "scipy.linalg.khatri_rao": lambda a, b: (a[:, None] * b[None]).reshape(-1, a.shape[1]),
    "scipy.linalg.pinv": lambda x, **_: jnp.linalg.pinv(x),
    "scipy.linalg.svdvals": lambda x, *_, **__: jnp.linalg.svdvals(x),
    "scipy.special.softplus": lambda x: jnp.logaddexp(x, 0.0),
}


def _written(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        WRITTEN[name] = function
        return function

    return keep


@_written("linalg.lstsq")
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    x, _, rank, s = jnp.linalg.lstsq(a, b, rcond)
    residuals = jnp.sum((b - a @ x) ** 2, axis=0)
    # NumPy returns no residuals if there are none.
    return x, jnp.atleast_1d(residuals)[: None if a.shape[0] > a.shape[1] else 0], rank, s


@_written("scipy.linalg.lstsq")
def _scipys_lstsq(a: Any, b: Any, *_: Any, **__: Any) -> Any:
    x, residuals, rank, s = _lstsq(a, b)
    return x, residuals if b.ndim > 1 or not residuals.size else residuals[0], rank, s


@_written("scipy.linalg.cho_factor")
def _cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, *_: Any, **__: Any) -> Any:
    factor = jnp.linalg.cholesky(a, upper=not lower)
    # Some versions of SciPy leave the other triangle as it was, others fill it with zeros: this one is asked.
    ones = np.array([[2.0, 1.0], [1.0, 2.0]])
    left = sys.modules["scipy"].linalg.cho_factor(ones, lower, overwrite_a)[0][(0, 1) if lower else (1, 0)]
    return factor + left * (jnp.triu(a, 1) if lower else jnp.tril(a, -1)), lower


@_written("scipy.linalg.cho_solve")
def _cho_solve(c_and_lower: tuple[Any, Any], b: Any, *_: Any, **__: Any) -> Any:
    factor, lower = c_and_lower
    # Since SciPy 1.18, cho_factor returns an array for the second, and JAX takes no array.
    upper, other = (jax.scipy.linalg.cho_solve((factor, way), b) for way in (False, True))
    return jnp.where(lower, other, upper)


@_written("scipy.linalg.eigh")
def _eigh(a: Any, *_: Any, lower: bool = True, eigvals_only: bool = False, **__: Any) -> Any:
    return jnp.linalg.eigvalsh(a) if eigvals_only else _eigh_by_scipy(a, lower)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _eigh_by_scipy(a: Any, lower: bool) -> Any:
    """Compute it by SciPy, whose driver gives some eigenvectors the opposite sign of JAX's."""
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


@_written("einsum")
def _einsum(*operands: Any, optimize: Any = False, dtype: Any = None, **_: Any) -> Any:
    result = jnp.einsum(*operands)
    return result if dtype is None else result.astype(dtype)
