"""Files that are replaced whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["replace_file", "replace_json"]


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file such that whoever reads it, at any moment and after any end, finds the old or the new one.

    Args:
        path: the file; its folder exists.
        content: all of it.

    Raises:
        OSError: it cannot be written; the old one, if there was one, is as it was. The error names the path.
    """
    # Always the same name, so that what a killed process leaves behind is overwritten and does not pile up.
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if partial.is_file():
            partial.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {error.strerror}") from None


def replace_json(path: Path, content: Any) -> None:
    """Write JSON in the same way, indented for people.

    Args:
        path: the file; its folder exists.
        content: what JSON can hold.

    Raises:
        OSError: as `replace_file`.
    """
    replace_file(path, (json.dumps(content, indent=2) + "\n").encode())
