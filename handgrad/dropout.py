r"""Dropout as a layer: a mask, and the pair of functions that multiply by it.

Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
2014. The mask carries the scaling ("inverted dropout"), so that prediction uses the network as it is.
"""

import numpy as np
from jaxtyping import Float

__all__ = ["draw_dropout_mask", "dropout_backward", "dropout_forward"]


def draw_dropout_mask(
    rng: np.random.Generator, probability: float, out: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    r"""Fill an array with independent factors: 0 with the given probability, else $1/(1 - probability)$.

    A factor's mean is $probability \cdot 0 + (1 - probability)/(1 - probability) = 1$.

    Args:
        rng: source of randomness.
        probability: that a factor is 0, in [0, 1).
        out: the array, contiguous.

    Returns:
        ``out``.
    """
    rng.random(out=out, dtype=out.dtype.type)
    # The unit stays where a uniform number in [0, 1) minus the probability is above 0; its ceiling is then 1.
    np.subtract(out, out.dtype.type(probability), out=out)
    np.ceil(out, out=out)
    np.multiply(out, out.dtype.type(1 / (1 - probability)), out=out)
    return out


def dropout_forward(
    h: Float[np.ndarray, "*shape"],
    mask: Float[np.ndarray, "*shape"],
    out: Float[np.ndarray, "*shape"] | None = None,
) -> Float[np.ndarray, "*shape"]:
    r"""Dropout under a given mask, $r_{nj} = m_{nj} h_{nj}$.

    Args:
        h: a layer's output.
        mask: zeros and $1/(1 - probability)$, from `draw_dropout_mask`.
        out: array for the result, may be ``h``; None for a new array.

    Returns:
        ``r``, of the same shape.
    """
    return np.multiply(h, mask, out=out)


def dropout_backward(
    dr: Float[np.ndarray, "*shape"],
    mask: Float[np.ndarray, "*shape"],
    out: Float[np.ndarray, "*shape"] | None = None,
) -> Float[np.ndarray, "*shape"]:
    r"""The adjoint of the input of dropout.

    $r_{nj} = m_{nj} h_{nj}$, where $m$ was drawn without a look at $h$ and counts as a constant. Each
    $h_{nj}$ feeds $r_{nj}$ alone, with slope $m_{nj}$, so $dh_{nj} = m_{nj}\, dr_{nj}$; as matrices
    $dh = m \odot dr$. The mask must come from the forward pass: a unit that was dropped moved nothing.

    Args:
        dr: adjoint of the output.
        mask: the mask of the forward pass.
        out: array for the result, may be ``dr``; None for a new array.

    Returns:
        ``dh``.
    """
    return np.multiply(dr, mask, out=out)
