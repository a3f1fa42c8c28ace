"""The activation functions compared: training runs on CIFAR-10, and ten layers at their start."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.activations import tables
from benchmarks.activations.plot import draw
from benchmarks.activations.runs import BATCH, HIDDEN, NAMES, RunResult, all_runs, start_of, train
from benchmarks.results import Part, Picture, environment_line, progress, publish, write_json
from handgrad.activations import ACTIVATIONS, ActivationName
from handgrad.data.datasets import load_cifar10

DEPTH, SCALES = 10, (4, 16, 64)


def compare_activations(data_dir: Path | None, out: Path) -> None:
    """Make the runs that are not in the results yet; write JSON and picture, and publish the tables.

    Args:
        data_dir: folder of CIFAR-10; None for where `handgrad data` keeps it.
        out: folder of the results.
    """
    path = out / "activations.json"
    content: dict[str, Any] = {"environment": "", "runs": {}}
    if path.exists():
        content = json.loads(path.read_text())
    runs = {key: RunResult(**fields) for key, fields in content["runs"].items()}
    environment = content["environment"]
    left = [run for run in all_runs() if run.key not in runs]
    if left:
        data = load_cifar10(data_dir)
        environment = environment_line("numpy", "scipy")
        for run in progress(left, "Training", lines=20):
            runs[run.key] = train(run, data)
            write_json(path, {"environment": environment, "runs": {k: asdict(r) for k, r in runs.items()}})
    layers = {f"`{name}`, {start_of(name)}": ten_layers(name, start_of(name)) for name in NAMES}
    layers |= {f"`sigmoid`, Glorot × {scale}": ten_layers("sigmoid", "Glorot", scale) for scale in SCALES}
    draw(runs, out / "activations.png")
    parts: list[Part] = [
        tables.loss_table(runs),
        tables.hidden_table(runs),
        tables.dead_table(runs),
        tables.depth_table(layers),
        Picture("activations.png", CAPTION),
        f"H={HIDDEN}, batches of {BATCH}, float32. {environment}",
    ]
    publish("activations", parts, out)


CAPTION = "Loss against learning rate and by epoch, dead units against learning rate, and what flows back"


def ten_layers(name: ActivationName, start: str, scale: float = 1.0) -> dict[str, float]:
    """Follow the adjoint back through ten layers of 100 units at the start.

    Args:
        name: the activation.
        start: "He" or "Glorot".
        scale: factor on the standard deviation of the weights.

    Returns:
        "factor": the factor by which ‖dz‖ grows for each layer back; "saturated": share of the activations
        whose |slope| is below 0.001.
    """
    rng = np.random.default_rng(0)
    std = scale * np.sqrt((2 if start == "He" else 1) / HIDDEN)
    weights = [std * rng.standard_normal((HIDDEN, HIDDEN)) for _ in range(DEPTH)]
    activate, derivative = ACTIVATIONS[name]
    h, slopes = rng.standard_normal((BATCH, HIDDEN)), []
    for W in weights:
        z = h @ W
        h = activate(z)
        slopes.append(derivative(z))
    adjoint = rng.standard_normal(h.shape) * slopes[-1]
    first = np.linalg.norm(adjoint)
    for W, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        adjoint = (adjoint @ W.T) * slope
    factor = (np.linalg.norm(adjoint) / first) ** (1 / (DEPTH - 1))
    return {"factor": float(factor), "saturated": float(np.mean(np.abs(slopes) < 1e-3))}
