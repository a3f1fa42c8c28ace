"""Backpropagation derived by hand, in NumPy.

The package ``autograd_ref`` has the same loss in JAX and compares the two gradients.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.two_layer_net import TwoLayerNet

    __version__: str

__all__ = ["TwoLayerNet", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the network on first use, so that the command line can start without it."""
    if name == "TwoLayerNet":
        from handgrad.two_layer_net import TwoLayerNet

        return TwoLayerNet
    if name == "__version__":
        from importlib.metadata import version

        return version("handgrad")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
