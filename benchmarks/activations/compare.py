"""What is said of activation functions, measured on CIFAR-10; and ten layers of each, from their start."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.activations.claims import claims_table, loss_table
from benchmarks.activations.plot import plot_activations
from benchmarks.activations.runs import BATCH, HIDDEN, all_runs, start_of, train
from benchmarks.results import RESULTS, environment_line, progress, write_json, write_section
from handgrad.activations import ACTIVATIONS, sigmoid, tanh
from handgrad.data.datasets import load_cifar10

DEPTH, SCALES = 10, (1, 4, 16, 64)


def measure_activations(data_dir: Path | None, out: Path = RESULTS) -> None:
    """Train whatever is not in the results yet; write all of it, the table and the picture.

    Args:
        data_dir: where CIFAR-10 lies; None for where `handgrad data` keeps it.
        out: folder of the results. The README is written only for the project's own.
    """
    path = out / "activations.json"
    found = json.loads(path.read_text()) if path.exists() else {"runs": {}}
    left = [run for run in all_runs() if run.key not in found["runs"]]
    data = load_cifar10(data_dir) if left else None
    for run in progress(left, "Training", lines=20):
        assert data is not None
        found["runs"][run.key] = train(run, data)
        write_json(path, found)
    found["ten layers"] = {name: ten_layers(name, start_of(name)) for name in ACTIVATIONS}
    found["ten layers of sigmoid"] = {str(scale): ten_layers("sigmoid", "Glorot", scale) for scale in SCALES}
    z = np.linspace(-30, 30, 100_001)
    found["tanh as a sigmoid"] = float(np.abs(tanh(z) - (2 * sigmoid(2 * z) - 1)).max())
    found["environment"] = environment_line("numpy", "scipy")
    write_json(path, found)
    (out / "activations.png").write_bytes(plot_activations(found))
    text = f"{claims_table(found)}\n\n{loss_table(found)}\n\n![{ALT}](results/activations.png)\n"
    text += f"\nH={HIDDEN}, batches of {BATCH}, float32. {found['environment']}."
    Console().print(text, soft_wrap=True, highlight=False)
    if out == RESULTS:
        write_section("activations", text)


ALT = "Loss against learning rate and by epoch, dead units against learning rate, and what flows back"


def ten_layers(name: str, start: str, scale: float = 1.0) -> dict[str, float]:
    """The adjoint's way back through ten layers of 100 units at the start.

    Args:
        name: the activation.
        start: "He" or "Glorot".
        scale: factor on the standard deviation of the weights.

    Returns:
        "factor": by what ‖dz‖ grows for each layer that it goes back; "saturated": share of the activations
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
