"""Measure the cost of recording: time per operation, adjoints and bounds with compilation, memory."""

import resource
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from autograd_ref.recording import Recording, adjoints, record
from autograd_ref.recording.bounds import measure
from autograd_ref.recording.tape import Given
from benchmarks.checkers.recorded_step import two_layer_step
from benchmarks.checkers.recording_programs import KINDS, SIDE, of_sixty_kinds, one_by_one
from benchmarks.processes import Worker, connect, some_cpus
from benchmarks.results import Table, environment_line, progress, publish, write_json

CPUS = 2
ROUNDS = 25
LARGE = 200, 3072, 150, 10  # N, D, H, C
OPERATIONS = 1_000, 20_000
SINGLE = 40  # entries along a side


def operations_of(recording: Recording) -> int:
    """Return the number of operations on a tape."""
    return sum(not isinstance(value.operation, Given) for value in recording.tape.values)


def recording_time(program: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    """Return the seconds of a plain and a recorded run, taking turns, with their ratio and difference.

    CPU seconds would count the threads of the BLAS that wait for the next product.
    """
    count = operations_of(record(program, *arguments))
    plain, recorded = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        program(*arguments)
        middle = time.perf_counter()
        record(program, *arguments)
        plain.append(middle - begin)
        recorded.append(time.perf_counter() - middle)
    added = (median(recorded) - median(plain)) / count
    return {
        "operations": count,
        "plain": median(plain),
        "recorded": median(recorded),
        "times": median(each / base for each, base in zip(recorded, plain, strict=True)),
        "µs added to an operation": 1e6 * added,
    }


def bounds_time(operations: int) -> dict[str, float]:
    """Return the CPU seconds of adjoints and bounds in a fresh process, including compilation."""
    program, x, w = of_sixty_kinds(operations)
    recording = record(program, x, w)
    loss = recording.value(recording.result)
    if loss is None:
        raise AssertionError("the loss is not on the tape")
    found: dict[str, float] = {"operations": operations_of(recording)}
    begin = time.process_time()
    exact = adjoints(recording, loss)
    found["adjoints"] = time.process_time() - begin
    bounds = measure(recording, loss, found=exact)
    found["together"] = time.process_time() - begin
    widest = max(float(np.max(each.bound)) for each in bounds.of.values())
    return found | {"widest": widest}


def memory() -> dict[str, float]:
    """Return the peak memory while a large step is recorded and judged, in multiples of its values' bytes."""
    step, inputs, labels = two_layer_step(*LARGE, "float64")
    step(inputs, labels)
    tracemalloc.start()
    recording = record(step, inputs, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    values = sum(value.array.nbytes for value in recording.tape.values if value.array is not None)
    loss = recording.value(recording.result[0])
    if loss is None:
        raise AssertionError("the loss is not on the tape")
    leaves = ["self.W1", "self.b1", "self.W2", "self.b2"]  # a check asks for the gradients that are returned
    small, few, rows = two_layer_step(5, 4, 3, 2, "float64")
    other = record(small, few, rows)
    other_loss = other.value(other.result[0])
    if other_loss is not None:  # allocates the memory that does not depend on the size of the values
        measure(other, other_loss, leaves=leaves)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measure(recording, loss, leaves=leaves)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": values, "recording": peak / values, "bounds": 1024 * (after - before) / values}


def answers() -> dict[str, Callable[..., Any]]:
    """Return the measurements of a worker, by name."""
    return {
        "sixty kinds": lambda: recording_time(*of_sixty_kinds(1_000)),
        "one by one": lambda: recording_time(*one_by_one(SINGLE)),
        "step, float32": lambda: recording_time(*two_layer_step(*LARGE, "float32")),
        "step, float64": lambda: recording_time(*two_layer_step(*LARGE, "float64")),
        "memory": memory,
        **{f"bounds of {count}": lambda count=count: bounds_time(count) for count in OPERATIONS},
    }


def measure_recording(out: Path) -> None:
    """Measure everything, each in a process of its own; write JSON, publish a table."""
    found: dict[str, dict[str, float]] = {}
    for name in progress(list(answers()), "Recording"):
        worker = Worker("benchmarks.checkers.recording", name, cpus=some_cpus(CPUS))
        try:
            found[name] = worker.ask(name)
        finally:
            worker.stop()
    environment = environment_line("numpy", "jax")
    write_json(out / "recording.json", {"environment": environment, **found})
    publish("recording", [*_tables(found), environment], out)


def _tables(found: dict[str, dict[str, float]]) -> list[Table | str]:
    N, D, H, _ = LARGE
    names = {
        "sixty kinds": f"sixty kinds of operations on {SIDE} × {SIDE} entries",
        "one by one": "a loop over single entries",
        "step, float32": f"a step of two layers, N={N}, D={D}, H={H}, float32",
        "step, float64": "the same in float64",
    }
    rows = [
        [
            title,
            f"{found[name]['operations']:,.0f}",
            f"{1e3 * found[name]['plain']:.3g} ms",
            f"{1e3 * found[name]['recorded']:.3g} ms",
            f"{found[name]['times']:.3g}",
            f"{found[name]['µs added to an operation']:.3g}",
        ]
        for name, title in names.items()
    ]
    recorded = Table(
        "Recording", ["program", "operations", "plain", "recorded", "times", "µs added to an operation"], rows
    )
    bounds = [
        [
            f"{each['operations']:,.0f} operations of {len(KINDS)} kinds",
            f"{each['adjoints']:.2f} s",
            f"{each['together']:.2f} s",
        ]
        for name, each in found.items()
        if name.startswith("bounds of")
    ]
    judged = Table(
        "Adjoints and bounds, in a fresh process, compilation included",
        ["program", "adjoints", "adjoints and bounds"],
        bounds,
    )
    used = found["memory"]
    text = (
        f"Memory, for a step of two layers in float64 whose recorded values have {used['bytes'] / 1e6:.0f} "
        f"MB: {used['recording']:.2f} times as much while it is recorded, {used['bounds']:.2f} times as much "
        "more for adjoints and the bounds on its four gradients."
    )
    return [recorded, judged, text]


def main() -> None:
    """Answer one question."""
    questions, answer = connect()
    known = answers()
    for name in questions:
        answer(known[name]())


if __name__ == "__main__":
    main()
