"""Compare a hand-written gradient with the automatic one, and say which quantity is wrong, and why."""

from typing import Any

import autograd_ref


def __getattr__(name: str) -> Any:
    if name not in autograd_ref.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(autograd_ref, name)
