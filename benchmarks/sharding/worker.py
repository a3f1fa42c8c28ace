"""Counts, on eight simulated devices, what the compiled training step computes and communicates.

Run as `python -m benchmarks.sharding.worker FILE 0 1 -`; the counts go into FILE.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.devices.processes import join
from autograd_ref.devices.sharding import device_mesh, jitted_sharded_step, place_batch, place_params

# N divides by every number of devices; D, H and C are those of the course notes on CIFAR-10.
N, D, H, C = 840, 3072, 150, 10
MESHES = [(k, 1) for k in range(1, 9)] + [(4, 2), (2, 4), (1, 8)]
TIME_LIMIT = 300.0

COLLECTIVES = re.compile(
    r"= (\(.*?\)|\S+) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)
ARRAY = re.compile(r"f32\[([\d,]*)\]")


def all_reduced_bytes(hlo: str) -> int:
    """The bytes that each device puts into all-reduces, by XLA's own text of the compiled program.

    Raises:
        ValueError: something else than all-reduces of float32 is communicated.
    """
    total = 0
    for shapes, kind in COLLECTIVES.findall(hlo):
        arrays = ARRAY.findall(shapes)
        if kind != "all-reduce" or len(arrays) != shapes.count("["):
            raise ValueError(f"not an all-reduce of float32: {shapes} {kind}")
        total += sum(4 * int(np.prod([int(size) for size in array.split(",") if size])) for array in arrays)
    return total


def counted(data: int, hidden: int) -> dict[str, Any]:
    """Floating-point operations and all-reduced bytes of one step on each device of a mesh."""
    problem = random_problem(np.random.default_rng(0), (N, D, H, C), dtype="float32")
    mesh, rate = device_mesh(data, hidden), np.float32(0.1)
    params = place_params(mesh, problem.params)
    batch = place_batch(mesh, problem.X, problem.y, np.float32)
    step = jitted_sharded_step.lower(params, {}, *batch, rate, rate, mesh=mesh, hidden_size=H).compile()
    flops = step.cost_analysis()["flops"]
    return {"data": data, "hidden": hidden, "flops": flops, "bytes": all_reduced_bytes(step.as_text())}


def main() -> None:
    """Count on every mesh."""
    join(0, 1, "", devices=max(data * hidden for data, hidden in MESHES), time_limit=TIME_LIMIT)
    Path(sys.argv[1]).write_text(json.dumps([counted(*mesh) for mesh in MESHES]))


if __name__ == "__main__":
    main()
