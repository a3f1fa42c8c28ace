"""A contender at work in a process of its own: it answers with the seconds that its tasks take.

Every contender has its own process, because thread pools that share one take each other's cores; and between
its turns it is paused, because threads that wait for work in a loop take their neighbours' cores too.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import connect
from benchmarks.speed.cases import Case
from benchmarks.speed.contenders import entry, load
from benchmarks.speed.contenders.interface import Data

DISTRIBUTIONS = {
    "numpy": "numpy",
    "scipy": "scipy",
    "jax": "jax",
    "torch": "torch",
    "sklearn": "scikit-learn",
}


class Runner:
    """What a contender does when it is asked.

    Attributes:
        tasks: those that it has of the case's.
    """

    def __init__(self, contender: str, case: Case, folder: Path) -> None:
        """Import the library, read the data, and let the contender make what it makes once."""
        import_module(entry(contender).imports)
        self._name, self._case, self._folder = contender, case, folder
        self._data = Data(case, folder)
        self._contender = load(contender)(self._data)
        self.tasks = [task for task in self._contender.tasks if task in (*case.tasks, "gemm", "copy")]

    def first(self, task: str) -> float:
        """Return the seconds of the first call, which compiles; write its result for the referee."""
        begin = time.perf_counter()
        if task == "gradient":
            loss, grads = self._contender.gradient(1)
            elapsed = time.perf_counter() - begin
            result = {"loss": np.asarray(loss), **grads}
        else:
            self._contender.steps(self._data.first_batches())
            elapsed = time.perf_counter() - begin
            result = self._contender.params()
        np.savez(self._folder / f"{self._name}.{task}.npz", **result)
        return elapsed

    def turn(self, task: str, times: int) -> tuple[float, float]:
        """Return the seconds, and the seconds of CPU, of some gradients, steps, epochs, products or copies.

        Where they are many, two come first that do not count: other contenders have used the caches.
        """
        if times > 2:
            self.turn(task, 2)
        data = self._data
        if task == "epoch":
            calls: list[Callable[[], None]] = [lambda: self._contender.steps(data.shuffled_batches())] * times
        elif task == "step":
            # No call takes more than an epoch: scikit-learn has no other steps than an epoch's.
            epoch = max(1, self._case.rows // self._case.batch_size)
            batches = data.some_batches(times)
            calls = [partial(self._contender.steps, batches[i : i + epoch]) for i in range(0, times, epoch)]
        else:
            calls = [partial(getattr(self._contender, task), times)]
        begin, begin_cpu = time.perf_counter(), time.process_time()
        for call in calls:
            call()
        return time.perf_counter() - begin, time.process_time() - begin_cpu

    def threads(self) -> dict[str, int]:
        """See `threads_in_use`."""
        return threads_in_use()


def threads_in_use() -> dict[str, int]:
    """Return how many threads each library of this process really has."""
    from threadpoolctl import threadpool_info

    counts = {
        f"{Path(pool['filepath']).parent.name}/{pool['prefix']}": pool["num_threads"]
        for pool in threadpool_info()
    }
    if "torch" in sys.modules:
        counts["torch"] = sys.modules["torch"].get_num_threads()
    if "jax" in sys.modules:
        names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
        counts["XLA"] = names.count("tf_XLAEigen")
    return counts


def about() -> dict[str, Any]:
    """Return the versions of the libraries that are loaded, and the core that each OpenBLAS assumes."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if "architecture" in pool]
    loaded = {name for module, name in DISTRIBUTIONS.items() if module in sys.modules}
    return {
        "versions": {name: version(name) for name in loaded},
        "cores": {f"OpenBLAS {pool['version']}": pool["architecture"] for pool in pools},
    }


def main() -> None:
    """Build the contender, then do what the questions ask: the name of a method and its arguments."""
    contender, case, folder = sys.argv[1:]
    questions, answer = connect()
    runner = Runner(contender, Case(**json.loads(case)), Path(folder))
    answer({"tasks": runner.tasks, **about()})
    for method, *arguments in questions:
        answer(getattr(runner, method)(*arguments))


if __name__ == "__main__":
    main()
