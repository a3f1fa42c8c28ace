"""Checkpoints: named arrays in one .npz file, without pickle."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from handgrad.files import replace_file

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """Replace a checkpoint atomically; it holds arrays of numbers or strings."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **state)
    replace_file(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays that `save_checkpoint` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not a checkpoint, or is damaged; the message does not name the file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise ValueError(f"is not a checkpoint, or is damaged: {error}") from None
