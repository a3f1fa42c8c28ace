"""The command `handgrad check`."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from handgrad.cli.exit_codes import BAD_INPUT, FAILED, OK
from handgrad.validation import check_positive_int, check_real

if TYPE_CHECKING:
    from autograd_ref.crosscheck.problems import Problem

__all__ = ["Check"]


@dataclass
class Check:
    """Hold hand-derived gradients against the automatic ones.

    Without a target: handgrad's own network, quantity by quantity, on the course's toy problem and on the
    digits that scikit-learn ships, in float64 and float32. With targets: anybody's two-layer networks or,
    with --reference, any functions, each in an interpreter of its own.

    Exits with 0 if all agree, 1 if a gradient is wrong, 2 for bad input or what could not be judged.
    """

    targets: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TARGET ...")] = ()
    """FILE.py:NAME or package.module:NAME: a class with a loss, or a function loss(params, X, y, reg)."""

    reference: Annotated[str | None, tyro.conf.arg(metavar="FILE.py:NAME")] = None
    """A function of JAX, (params, *args) -> loss, for a target (params, *args) -> (loss, grads). The file of
    either says where to check: its example(rng) returns (params, *args)."""

    input_size: int = 7
    """Features D of the first problem of a network; the others are made to leave no blind spot."""

    hidden_size: int = 10
    """Hidden units H."""

    output_size: int = 5
    """Classes C."""

    batch: int = 9
    """Examples N."""

    reg: float | None = None
    """Strength of the penalty."""

    dtype: Literal["float64", "float32"] = "float64"
    """Of parameters and inputs."""

    seed: int = 0
    """Of the random problems."""

    strict: bool = False
    """Exit with 1 for a warning about a right gradient, too."""

    time_limit: float = 60.0
    """Seconds for each target, or for all that --shards and --processes compute."""

    cifar10: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Without a target: check on a batch of CIFAR-10 instead, from the folder that holds data_batch_1.bin, or
    its parent."""

    shards: int | None = None
    """Without a target: have a batch in so many shards, each on a device of its own, simulated on the CPU."""

    processes: int | None = None
    """Without a target: spread the shards over so many processes; alone, one shard for each."""

    device: Literal["cpu", "gpu"] | None = None
    """Without a target: where JAX computes. What it gives there in float32 is then checked as well."""

    json: bool = False
    """Print JSON instead of text: one object, or one a line in the order of the targets."""

    def run(self) -> int:
        """Compare, print, and return the exit code."""
        return self._check_targets() if self.targets else self._check_own()

    def _check_targets(self) -> int:
        from autograd_ref.crosscheck.isolated.command import check_targets

        self._refuse(
            "cifar10",
            "shards",
            "processes",
            "device",
            why="is for handgrad's own network and goes with no target",
        )
        sizes = ("batch", "input_size", "hidden_size", "output_size")
        if self.reference is not None:
            self._refuse(*sizes, "reg", why="is for networks; with --reference, example(rng) says where")
        request = {
            "reference": self.reference,
            "sizes": [check_positive_int(_flag(size), getattr(self, size)) for size in sizes],
            "reg": None if self.reg is None else check_real("--reg", self.reg, minimum=0.0),
            "dtype": self.dtype,
            "seed": int(check_real("--seed", self.seed, minimum=0)),
        }
        passed = check_targets(
            self.targets,
            request,
            as_json=self.json,
            strict=self.strict,
            time_limit=check_real("--time-limit", self.time_limit, minimum=0.0),
        )
        return {True: OK, False: FAILED, None: BAD_INPUT}[passed]

    def _refuse(self, *names: str, why: str) -> None:
        """Refuse options that would be ignored."""
        for name in names:
            if getattr(self, name) != getattr(Check, name):
                raise ValueError(f"{_flag(name)} {why}")

    def _check_own(self) -> int:
        from rich.console import Console

        from autograd_ref.crosscheck.comparison import Comparison, compare_trace
        from autograd_ref.crosscheck.problems import cifar10_problem, digits_problem, toy_problem
        from autograd_ref.crosscheck.table import comparison_json, comparison_table
        from autograd_ref.devices.on_device import OnDevice, check_on_device, computing_on, find_device

        sharded = self.shards is not None or self.processes is not None
        own = ("cifar10", "shards", "processes", "device", "json", *(("time_limit",) if sharded else ()))
        others = [field.name for field in fields(self) if field.name not in own]
        self._refuse(*others, why="goes with a target, FILE.py:NAME")
        problems = (
            [toy_problem(), digits_problem()] if self.cifar10 is None else [cifar10_problem(self.cifar10)]
        )
        problems = [problem.astype(dtype) for problem in problems for dtype in ("float64", "float32")]
        if sharded:
            return self._check_shards(problems)
        device = None if self.device is None else find_device(self.device)
        with computing_on(device):
            comparisons = [
                compare_trace(problem, problem.net().trace(problem.X, problem.y, problem.reg))
                for problem in problems
            ]
            there = [] if device is None else [check_on_device(problem, device) for problem in problems]
        judged: list[Comparison | OnDevice] = [*comparisons, *there]
        wrong = next((each for each in judged if not each.ok), None)
        if self.json:
            found = {"ok": wrong is None, "problems": [comparison_json(each) for each in comparisons]}
            print(json.dumps(found | ({"on_device": [each.to_json() for each in there]} if there else {})))
        else:
            console = Console()
            for comparison in comparisons:
                console.print(comparison_table(comparison), "")
            for found_there in there:
                console.print(found_there.table(), *found_there.reasons, "")
            console.print(
                "All agree: every quantity is within the rounding that its bound allows."
                if wrong is None
                else f"{wrong.first_wrong} is the first wrong quantity, on {wrong.name} in {wrong.dtype}.",
                style="bold",
            )
        return OK if wrong is None else FAILED

    def _check_shards(self, problems: "list[Problem]") -> int:
        from rich.console import Console

        from autograd_ref.devices.check import check_sharded, sharded_json, sharded_table

        processes = 1 if self.processes is None else check_positive_int("--processes", self.processes)
        shards = processes if self.shards is None else check_positive_int("--shards", self.shards)
        found = check_sharded(
            problems,
            shards,
            processes,
            device=self.device or "cpu",
            time_limit=check_real("--time-limit", self.time_limit, minimum=0.0),
        )
        wrong = next((each for each in found if not each.ok), None)
        if self.json:
            counts = {"shards": shards, "processes": processes}
            problems_json = [sharded_json(each) for each in found]
            print(json.dumps({"ok": wrong is None, **counts, "problems": problems_json}))
        else:
            console = Console()
            for each in found:
                console.print(sharded_table(each), "")
            console.print(
                "All agree: whole and in shards, every quantity is within the rounding that its bound allows."
                if wrong is None
                else wrong.what_is_wrong(),
                style="bold",
            )
        return OK if wrong is None else FAILED


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
