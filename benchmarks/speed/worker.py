"""A contender in its own process, which answers with the seconds that its tasks take.

Every contender has its own process, because thread pools in one process compete for cores. It is paused
between its turns, because threads that spin while waiting for work would also take cores from others.
"""

import json
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.processes import connect
from benchmarks.speed.cases import Case
from benchmarks.speed.contenders import load
from benchmarks.speed.contenders.interface import Data

DISTRIBUTIONS = {
    "numpy": "numpy",
    "scipy": "scipy",
    "jax": "jax",
    "torch": "torch",
    "sklearn": "scikit-learn",
}


class Runner:
    """A contender, its data, and the methods that questions name."""

    def __init__(self, contender: str, case: Case, folder: Path) -> None:
        """Read the data, import the library, and create the contender."""
        self._name, self._case, self._folder = contender, case, folder
        self._data = Data(case, folder)
        self.contender = load(contender)(self._data)

    def first(self, task: str) -> float:
        """Return the seconds of the first call, which compiles; write its result for the referee."""
        begin = time.perf_counter()
        if task == "gradient":
            loss, grads = self.contender.gradient(1)
            result = {"loss": np.asarray(loss), **grads}
        else:
            self.contender.steps(self._data.first_batches())
            result = self.contender.params()
        seconds = time.perf_counter() - begin
        np.savez(self._folder / f"{self._name}.{task}.npz", **result)
        return seconds

    def turn(self, task: str, times: int) -> float:
        """Return the seconds of some gradients, steps, products or copies.

        If there are many, two warm-up calls come first, because other contenders have used the caches.
        """
        if times > 2:
            self.turn(task, 2)
        if task == "step":
            # No call takes more than an epoch, because scikit-learn trains by epochs.
            epoch = max(1, self._case.rows // self._case.batch_size)
            batches = self._data.some_batches(times)
            calls = [partial(self.contender.steps, batches[i : i + epoch]) for i in range(0, times, epoch)]
        else:
            calls = [partial(getattr(self.contender, task), times)]
        begin = time.perf_counter()
        for call in calls:
            call()
        return time.perf_counter() - begin

    def threads(self) -> dict[str, int]:
        """Return the number of threads that each library of this process really has."""
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


def libraries() -> list[str]:
    """Return the versions of the libraries that are loaded, and the core that each OpenBLAS assumes."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if "architecture" in pool]
    cores = [f"OpenBLAS {pool['version']} (core {pool['architecture']})" for pool in pools]
    return [*cores, *(f"{name} {version(name)}" for key, name in DISTRIBUTIONS.items() if key in sys.modules)]


def main() -> None:
    """Build the contender, then answer questions, each the name of a method and its arguments."""
    contender, case, folder = sys.argv[1:]
    questions, answer = connect()
    runner = Runner(contender, Case(**json.loads(case)), Path(folder))
    answer({"tasks": runner.contender.tasks, "libraries": libraries()})
    for method, *arguments in questions:
        answer(getattr(runner, method)(*arguments))


if __name__ == "__main__":
    main()
