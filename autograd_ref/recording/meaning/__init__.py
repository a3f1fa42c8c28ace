"""The meaning of each operation in jax.numpy.

jax.numpy has nearly all of NumPy under the same names, with the same arguments: `names` lists these
functions; the other files have the ones that differ.
"""

from autograd_ref.recording.meaning.numbers import MATH
from autograd_ref.recording.meaning.operations import (
    function_of,
    is_elementwise,
    is_scipys,
    knows_function,
    takes_arrays,
)
from autograd_ref.recording.meaning.ufuncs import knows_name, knows_ufunc, ufunc_named

__all__ = [
    "MATH", "function_of", "is_elementwise", "is_scipys", "knows_function", "knows_name", "knows_ufunc",
    "takes_arrays", "ufunc_named",
]  # fmt: skip
