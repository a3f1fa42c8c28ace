"""One process of a sharded check: `python -m autograd_ref.devices.child FOLDER NUMBER OF ADDRESS`.

The request is in FOLDER, as request.json and problems.npz. Process 0 writes answer.npz beside them: the loss
and the gradients of each side in each case, as CASE/SIDE/QUANTITY.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from autograd_ref.devices.processes import join
from autograd_ref.devices.sharding import device_mesh, value_and_grad
from autograd_ref.two_layer_net import precision
from handgrad.objective import Objective
from handgrad.shards import Shard, combine_shards, shard_gradients, split_rows
from handgrad.trace import PARAMETERS

__all__: list[str] = []


def main() -> None:
    """Compute this process's part of every case."""
    folder, number, processes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    request = json.loads((folder / "request.json").read_text())
    join(number, processes, sys.argv[4], devices=request["devices"], time_limit=request["time_limit"])
    answer: dict[str, np.ndarray] = {}
    with np.load(folder / "problems.npz", allow_pickle=False) as stored:
        problems = {name: stored[name] for name in stored.files}
    for i, (shape, (reg, activation)) in enumerate(
        zip(request["meshes"], request["objectives"], strict=True)
    ):
        X, y = problems[f"{i}/X"], problems[f"{i}/y"]
        params = {q: problems[f"{i}/{q}"] for q in PARAMETERS}
        objective = Objective(reg, activation=activation)
        data, hidden = shape
        sides = {"jax": value_and_grad(device_mesh(data, hidden), params, X, y, objective)}
        if hidden == 1:
            sides["hand"] = _by_hand(params, X, y, objective, data)
        for side, (loss, grads) in sides.items():
            answer |= {f"{i}/{side}/{name}": np.asarray(value) for name, value in grads.items()}
            answer[f"{i}/{side}/loss"] = np.asarray(loss)
    if number == 0:
        with (folder / "answer.npz").open("wb") as file:
            np.savez(file, **answer)  # type: ignore[arg-type]


def _by_hand(
    params: dict[str, np.ndarray], X: np.ndarray, y: np.ndarray, objective: Objective, shards: int
) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the hand side's gradient: NumPy computes this process's shards, the runtime sends the others."""
    count = shards // jax.process_count()
    first = count * jax.process_index()
    mine = split_rows(len(y), shards)[first : first + count]
    parts = [shard_gradients(params, X[rows], y[rows], objective.activation) for rows in mine]
    if jax.process_count() > 1:
        with precision(X.dtype):
            columns = {
                "rows": np.array([part.rows for part in parts], np.int32),
                "loss": np.array([part.loss for part in parts]),
                **{q: np.stack([part.grads[q] for part in parts]) for q in PARAMETERS},
            }
            gathered = multihost_utils.process_allgather(columns, tiled=True)
        parts = [
            Shard(int(rows), gathered["loss"][k], {q: gathered[q][k] for q in PARAMETERS})
            for k, rows in enumerate(gathered["rows"])
        ]
    return combine_shards(parts, params, objective.reg)


if __name__ == "__main__":
    main()
