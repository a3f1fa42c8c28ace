"""The file of a sweep's results, to which each point's line is appended once.

Each line is a JSON object with

- ``point``, its number in the grid, and its settings by the names of `handgrad.runs.config.Config`;
- its outcome: ``train_accuracy`` and ``val_accuracy``, as measured in `runs.trainer`; ``loss``, of the last
  minibatch before its step, with the penalty; and ``diverged``, in which case the others are null;
- ``run``, which may differ from run to run: the ``seconds`` of training (for a network in a stack its share,
  by hidden units), the ``worker``, and the ``time`` at which it finished.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handgrad.runs.config import Config
from handgrad.sweep.grid import Grid

__all__ = ["Record"]

# These settings of a run may differ from machine to machine.
NOT_OF_A_POINT = ("data_dir", "threads")


class Record:
    """The file of results and its content.

    Attributes:
        results: the lines, by the number of their point.
    """

    def __init__(self, path: Path, grid: Grid) -> None:
        """Read the file, if there is one, and remove an incomplete last line.

        Raises:
            ValueError: a line is damaged, or its point is not in the grid, or occurs twice.
            OSError: the file cannot be read or written.
        """
        self._path, self._grid = path, grid
        self.results: dict[int, dict[str, Any]] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{path}, line {number}, is not a result of this sweep: {error}") from None

    def append(self, outcomes: Mapping[int, Mapping[str, Any]]) -> None:
        """Append the outcomes of points that have none yet, and wait until they are on disk.

        Raises:
            OSError: the outcomes cannot be written.
        """
        new = [
            {"point": number, **settings(self._grid.points[number]), **outcome}
            for number, outcome in outcomes.items()
            if number not in self.results
        ]
        try:
            with self._path.open("ab") as file:
                file.write("".join(f"{json.dumps(line, allow_nan=False)}\n" for line in new).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OSError(f"cannot write {self._path}: {error.strerror}") from None
        for line in new:
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        number = line["point"]
        if number in self.results:
            raise ValueError(f"point {number} occurs twice")
        if not 0 <= number < len(self._grid.points):
            raise ValueError(f"there is no point {number}")
        mine = settings(self._grid.points[number])
        if {name: line[name] for name in mine} != mine:
            raise ValueError(f"point {number} has other settings")
        self.results[number] = line


def settings(point: Config) -> dict[str, Any]:
    """Return the settings in a point's line."""
    return {name: value for name, value in point.to_json().items() if name not in NOT_OF_A_POINT}
