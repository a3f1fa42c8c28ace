"""Parameters and arguments of any structure: their leaves, named as one would write them in Python."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import DictKey, GetAttrKey, SequenceKey
from numpy.typing import DTypeLike

from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = [
    "Leaf", "copy_arrays", "find_leaf", "is_floating_array", "leaves_with_paths", "parameter_dtype",
    "parameter_leaves",
]  # fmt: skip

# The largest memory around a small view that is copied with it.
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
    """The arrays of params, in JAX's order: dicts by sorted keys.

    Args:
        params: a pytree of floating arrays or scalars.

    Returns:
        Its leaves, as they are.

    Raises:
        NotJudged: there are none, or one is not an array of floating numbers.
    """
    leaves = []
    for path, value in leaves_with_paths(params, "params"):
        name = path_name(path)
        array = np.asarray(value) if isinstance(value, float) or _is_array(value) else None
        if array is None or not jnp.issubdtype(array.dtype, jnp.floating):
            what = type(value).__name__ if array is None else f"{array.dtype}"
            where = name if name.startswith("params") else f"params: {name}"
            raise NotJudged(f"{where} must hold floating numbers to be differentiated by, not {what}")
        leaves.append(Leaf(name, path, array))
    if not leaves:
        raise NotJudged("params must hold at least one array")
    return leaves


def leaves_with_paths(tree: Any, name: str) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves of a tree, each with its path.

    Args:
        tree: a pytree.
        name: what to call it in the error.

    Returns:
        Paths and leaves, in JAX's order.

    Raises:
        NotJudged: a dict has keys that cannot be sorted.
    """
    try:
        return list(jax.tree_util.tree_flatten_with_path(tree)[0])
    except ValueError as error:
        raise NotJudged(
            f"{name}: JAX sorts the keys of every dict, and these cannot be sorted: name them all by strings "
            f"or all by numbers ({error.__cause__ or error})"
        ) from error


def parameter_dtype(leaves: Sequence[Leaf]) -> np.dtype[Any]:
    """The one dtype of all leaves.

    Raises:
        NotJudged: there are several, or it is neither float32 nor float64.
    """
    found = sorted({leaf.value.dtype.name for leaf in leaves})
    if found not in (["float32"], ["float64"]):
        raise NotJudged(f"params must be all float32 or all float64, not {', '.join(found)}; or pass dtype=")
    return np.dtype(found[0])


def path_name(path: tuple[Any, ...]) -> str:
    """A path as in ``layers[0].w``; see `Leaf`."""
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
    """What a tree has where the leaf is in params; for the key W also dW; further keys do no harm.

    Args:
        tree: made by somebody, in the structure of params.
        leaf: of params.
        params: themselves.

    Returns:
        Whatever is there.

    Raises:
        NotJudged: nothing does.
    """
    for depth, key in enumerate(leaf.path):
        above = path_name(leaf.path[:depth]).removeprefix("params")
        where = f"grads{above}" if above.startswith("[") or not above else f"grads.{above}"
        try:
            if isinstance(key, DictKey):
                named = key.key if key.key in tree else f"d{key.key}"
                tree, params = tree[named], params[key.key]
            elif isinstance(key, GetAttrKey):
                tree, params = getattr(tree, key.name), getattr(params, key.name)
            else:
                parts, wanted = _children(tree), _children(params)
                if len(parts) != len(wanted):
                    raise NotJudged(f"{where} must have {len(wanted)} entries like params, not {len(parts)}")
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
    """Copy a tree with its arrays, the floating ones cast; everything else as it is.

    Args:
        tree: whose arrays are of NumPy or JAX.
        dtype: of the floating arrays of the copy.

    Returns:
        The tree. Its arrays are NumPy's, with the strides and in memory laid out as they were given.
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
    """A view of the same place in a copy of the whole memory that it is a view of."""
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
    """Whether a leaf is an array of floating numbers, of NumPy or JAX."""
    return _is_array(value) and bool(jnp.issubdtype(value.dtype, jnp.floating))


def _is_array(value: Any) -> bool:
    if isinstance(value, jax.Array):
        return not jnp.issubdtype(value.dtype, jax.dtypes.extended)
    return isinstance(value, np.ndarray | np.generic)


def _children(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=lambda node: node is not tree)
