"""Parameters and arguments of any structure: their leaves, with names as in Python code."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import DictKey, GetAttrKey, SequenceKey
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = [
    "Leaf", "copy_arrays", "find_leaf", "is_complex_array", "is_floating_array", "leaves_with_paths",
    "parameter_dtype", "parameter_leaves",
]  # fmt: skip

# The largest memory that is copied together with a small view of it.
MOST_AROUND = 2**22


class Leaf(NamedTuple):
    """One array of a pytree.

    Attributes:
        name: the path to it, as in ``layers[0].w``: keys of dicts that are identifiers and names of
            attributes after a point, indices and other keys in brackets. A path that would begin with a
            bracket, or be empty, begins with ``params``.
        path: the same for JAX.
        value: the array.
    """

    name: str
    path: tuple[Any, ...]
    value: np.ndarray


def parameter_leaves(params: Any) -> list[Leaf]:
    """Return the arrays of params, in JAX's order: dicts by sorted keys.

    Args:
        params: a pytree of floating arrays or scalars.

    Returns:
        Its leaves.

    Raises:
        NotJudged: there are no leaves, or one is not an array of floating numbers.
    """
    leaves = []
    for path, value in leaves_with_paths(params, "params"):
        name = path_name(path)
        array = np.asarray(value) if isinstance(value, float) or _is_array(value) else None
        if array is None or not jnp.issubdtype(array.dtype, jnp.floating):
            what = type(value).__name__ if array is None else f"{array.dtype}"
            where = name if name.startswith("params") else f"params: {name}"
            told = f": write {name}.astype(float)" if array is not None and array.dtype.kind in "biu" else ""
            raise NotJudged(f"{where} must hold floating-point numbers to have a gradient, not {what}{told}")
        leaves.append(Leaf(name, path, array))
    if not leaves:
        raise NotJudged("params must hold at least one array")
    if not any(leaf.value.size for leaf in leaves):
        raise NotJudged("params must hold at least one number; all its arrays are empty")
    return leaves


def leaves_with_paths(tree: Any, name: str) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the leaves of a tree, each with its path.

    Args:
        tree: a pytree.
        name: its name in error messages.

    Returns:
        Paths and leaves, in JAX's order.

    Raises:
        NotJudged: a dict has keys that cannot be sorted.
    """
    try:
        return list(jax.tree_util.tree_flatten_with_path(tree)[0])
    except ValueError as error:
        raise NotJudged(
            f"{name}: JAX sorts the keys of every dict, and these cannot be sorted: use only strings or only "
            f"numbers ({error.__cause__ or error})"
        ) from error


def parameter_dtype(leaves: Sequence[Leaf]) -> np.dtype[Any]:
    """Return the common dtype of all leaves.

    Raises:
        NotJudged: there are several dtypes, or it is neither float32 nor float64.
    """
    found = sorted({leaf.value.dtype.name for leaf in leaves})
    if found not in (["float32"], ["float64"]):
        raise NotJudged(f"params must be all float32 or all float64, not {', '.join(found)}; or pass dtype=")
    return np.dtype(found[0])


def path_name(path: tuple[Any, ...]) -> str:
    """Return a path as in ``layers[0].w``; see `Leaf`."""
    parts = []
    for key in path:
        if isinstance(key, GetAttrKey):
            parts.append(f".{key.name}")
        elif isinstance(key, DictKey) and isinstance(key.key, str) and key.key.isidentifier():
            parts.append(f".{key.key}")
        else:
            parts.append(f"[{key.idx if isinstance(key, SequenceKey) else key.key!r}]")
    name = "".join(parts)
    return name[1:] if name.startswith(".") else f"params{name}"


def find_leaf(tree: Any, leaf: Leaf, params: Any) -> Any:
    """Return a tree's value at the position of a leaf of params; the key W also matches dW.

    Args:
        tree: a user's tree, in the structure of params; further keys are ignored.
        leaf: a leaf of params.
        params: the parameters.

    Returns:
        The value.

    Raises:
        NotJudged: there is no value.
    """
    for depth, key in enumerate(leaf.path):
        above = path_name(leaf.path[:depth]).removeprefix("params")
        where = f"grads{above}" if above.startswith("[") or not above else f"grads.{above}"
        try:
            if isinstance(key, DictKey) and not isinstance(tree, Mapping):
                raise TypeError  # a tuple or an array also answers `key in tree`
            if isinstance(key, DictKey):
                named = key.key if key.key in tree else f"d{key.key}"
                tree, params = tree[named], params[key.key]
            elif isinstance(key, GetAttrKey):
                tree, params = getattr(tree, key.name), getattr(params, key.name)
            else:
                parts, wanted = _children(tree), _children(params)
                if len(parts) != len(wanted):
                    if _is_array(tree):
                        told = "one array: np.array(params) makes params one, too"
                    else:
                        told = str(len(parts))
                    raise NotJudged(f"{where} must have {len(wanted)} entries like params, not {told}")
                index = key.idx if isinstance(key, SequenceKey) else key.key
                tree, params = parts[index], wanted[index]
        except (KeyError, IndexError, AttributeError, TypeError):
            named = isinstance(tree, Mapping)
            found = f"has {', '.join(map(str, tree))}" if named else f"is {type(tree).__name__}"
            raise NotJudged(
                f"grads has nothing for {leaf.name}: it must be built like params, with the same names, and "
                f"{where} {found}"
            ) from None
    return tree


def copy_arrays(tree: Any, dtype: DTypeLike) -> Any:
    """Copy a tree with its arrays, the floating ones cast; everything else is not copied.

    Args:
        tree: a tree of NumPy or JAX arrays.
        dtype: dtype of the copy's floating arrays.

    Returns:
        The tree. Its arrays are NumPy arrays with the strides and the memory layout of the given ones.
    """

    def copied(value: Any) -> Any:
        if is_floating_array(value):
            return _copy_as_laid_out(np.asarray(value), np.dtype(dtype))
        if _is_array(value) and np.ndim(value):
            array = np.asarray(value)
            return _copy_as_laid_out(array, array.dtype)
        return value

    return jax.tree.map(copied, tree)


def _copy_as_laid_out(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Copy the whole memory of which an array is a view, and return the same view of the copy."""
    whole, size = array, array.itemsize
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    contiguous = whole.flags.c_contiguous or whole.flags.f_contiguous
    strange = whole.dtype != array.dtype or any(stride % size for stride in array.strides)
    if whole is array or not contiguous or strange or whole.size > max(MOST_AROUND, 16 * array.size):
        return np.array(array).astype(dtype)
    memory = whole.ravel(order="K").astype(dtype)
    offset = (array.ctypes.data - whole.ctypes.data) // size * dtype.itemsize
    strides = tuple(stride // size * dtype.itemsize for stride in array.strides)
    return np.ndarray(array.shape, dtype, memory, offset, strides)


def is_floating_array(value: Any) -> bool:
    """Whether a leaf is a NumPy or JAX array of floating numbers."""
    return _is_array(value) and bool(jnp.issubdtype(value.dtype, jnp.floating))


def is_complex_array(value: Any) -> bool:
    """Whether a leaf is a NumPy or JAX array of complex numbers."""
    return _is_array(value) and bool(jnp.issubdtype(value.dtype, jnp.complexfloating))


def _is_array(value: Any) -> bool:
    if isinstance(value, jax.Array):
        return not jnp.issubdtype(value.dtype, jax.dtypes.extended)
    return isinstance(value, np.ndarray | np.generic)


def _children(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=lambda node: node is not tree)
