"""How the cost of a sharded training step grows: counted on eight devices, and a model for ten thousand."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from autograd_ref.devices.processes import start_together
from benchmarks.results import RESULTS, environment_line, markdown, show, write_json, write_section
from benchmarks.sharding.worker import TIME_LIMIT, C, D, H, N

FLOAT = 4  # bytes
MACHINES = 10, 100, 1000, 10_000
WIDTHS = 50, 150, 1024, 8192
BATCH = 200


@dataclass(frozen=True)
class Machine:
    """What a device and its way to the others can do.

    Attributes:
        name: for the table.
        flops: floating-point operations a second, in products of float32.
        bandwidth: bytes a second, each way.
        latency: seconds that a message takes at least.
    """

    name: str
    flops: float
    bandwidth: float
    latency: float


# The rate is the one above, of a 2048³ product; latency here and below are orders of magnitude.
CORE = Machine("A core and 10 Gbit/s", 104e9, 1.25e9, 50e-6)
# The data sheet's float32 (SXM, 67 TFLOP/s), not TensorFloat-32; one network card of a DGX H100 for each GPU.
H100 = Machine("An H100 and 400 Gbit/s", 67e12, 50e9, 5e-6)


def step_flops(rows: float, hidden: int, features: int = D, classes: int = C) -> float:
    """Operations of one step on one device, which has so many rows and hidden units.

    Two products with W1 (forward and dW1) and three with W2 take two operations for each row and weight.
    Penalty, its gradient and the update take about eight for each weight of W1, however few rows there are.
    """
    return 4 * rows * features * hidden + 6 * rows * hidden * classes + 8 * features * hidden


def gradient_bytes(hidden: int, features: int = D, classes: int = C) -> int:
    """Bytes of the gradient and the loss, which the shards of the batch have to sum."""
    return FLOAT * (features * hidden + hidden + hidden * classes + classes + 1)


def score_bytes(rows: int, classes: int = C) -> int:
    """Bytes of the scores and two penalties, which the shards of the hidden units have to sum."""
    return FLOAT * (rows * classes + 2)


def predicted(data: int, hidden: int) -> tuple[float, int]:
    """Operations and all-reduced bytes of each device, as `sharding_worker` counts them."""
    rows, units = N // data, math.ceil(H / hidden)
    communicated = gradient_bytes(units) * (data > 1) + score_bytes(rows) * (hidden > 1)
    return step_flops(rows, units), communicated


def all_reduce_seconds(size: float, machines: int, machine: Machine) -> float:
    """Rabenseifner's all-reduce: 2 log₂ K messages in turn, and all but a K-th of the data out and in again.

    R. Thakur, R. Rabenseifner & W. Gropp, "Optimization of collective communication operations in MPICH",
    Int. J. High Perform. Comput. Appl. 19, 2005; here without the time for the additions.
    """
    messages = 2 * math.ceil(math.log2(machines))
    return messages * machine.latency + 2 * (machines - 1) / machines * size / machine.bandwidth


def break_even_rows(hidden: int, machines: int, machine: Machine) -> float:
    """The rows for each machine at which all-reduce and arithmetic take the same time."""
    waiting = all_reduce_seconds(gradient_bytes(hidden), machines, machine) * machine.flops
    fixed, each = step_flops(0, hidden), step_flops(1, hidden) - step_flops(0, hidden)
    return max(0.0, (waiting - fixed) / each)


def arithmetic_share(rows: float, hidden: int, machines: int, machine: Machine) -> float:
    """The part of a step's time that is arithmetic, where nothing overlaps."""
    computing = step_flops(rows, hidden) / machine.flops
    return computing / (computing + all_reduce_seconds(gradient_bytes(hidden), machines, machine))


def count() -> list[dict[str, Any]]:
    """What `sharding_worker` counts, in a process of its own."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "counts.json")
        start_together(["-m", "benchmarks.sharding.worker", str(file)], Path(folder), 1, TIME_LIMIT)
        found: list[dict[str, Any]] = json.loads(file.read_text())
        return found


def measure_sharding(out: Path = RESULTS) -> None:
    """Count, hold the model against the counts, and print both; write JSON to a folder.

    With the default folder the tables go into benchmarks/README.md as well.

    Raises:
        ValueError: the model does not give the bytes that were counted, or misses the operations by 1 %.
    """
    counts = count()
    for each in counts:
        flops, communicated = predicted(each["data"], each["hidden"])
        if communicated != each["bytes"] or abs(flops / each["flops"] - 1) > 0.01:
            raise ValueError(f"the model gives {flops:.5g} operations and {communicated} bytes, not {each}")
        each |= {"model flops": flops, "model bytes": communicated}
    environment = environment_line("jax")
    write_json(out / "sharding.json", {"environment": environment, "counts": counts})

    console = Console()
    tables = [_counts(counts), *(_model(machine) for machine in (CORE, H100))]
    for title, head, rows in tables:
        show(console, title, head, rows)
    console.print(environment, highlight=False)
    if out == RESULTS:
        text = "\n\n".join(f"{title}:\n\n{markdown(head, rows)}" for title, head, rows in tables)
        write_section("sharding", f"{text}\n\n{environment}.")


def _counts(counts: list[dict[str, Any]]) -> tuple[str, list[str], list[list[str]]]:
    title = (
        f"Each device in one step of N={N}, D={D}, H={H}, C={C}, float32, by shards of batch × hidden units"
    )
    head = ["shards", "operations", "model", "all-reduced bytes", "sent by a ring"]
    rows = []
    for each in counts:
        data, hidden = each["data"], each["hidden"]
        ring = sum(
            2 * (k - 1) / k * size
            for k, size in (
                (data, gradient_bytes(math.ceil(H / hidden))),
                (hidden, score_bytes(N // data)),
            )
        )
        miss = each["model flops"] / each["flops"] - 1
        cells = [f"{data} × {hidden}", f"{each['flops']:,.0f}", f"{miss:+.2%}", f"{each['bytes']:,}"]
        rows.append([*cells, f"{ring:,.0f}"])
    return title, head, rows


def _model(machine: Machine) -> tuple[str, list[str], list[list[str]]]:
    title = (
        f"{machine.name}: rows for each machine below which the all-reduce outweighs the arithmetic, and the "
        f"arithmetic's share of a step with {BATCH} rows"
    )
    rows = []
    for k in MACHINES:
        cells = [
            f"{break_even_rows(h, k, machine):,.0f}, {arithmetic_share(BATCH, h, k, machine):.0%}"
            for h in WIDTHS
        ]
        rows.append([f"{k:,}", *cells])
    return title, ["machines", *(f"H={h}" for h in WIDTHS)], rows
