"""The command line, and the one room that sees both sides."""

import json
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from handgrad.config import PRESETS, Config, PresetName
from handgrad.datasets import DataName
from handgrad.exit_codes import AGREE, BAD_INPUT, INTERRUPTED, WRONG
from handgrad.sweep_command import Sweep
from handgrad.sweep_settings import SweepSettings
from handgrad.validation import check_positive_int, check_real

if TYPE_CHECKING:
    from autograd_ref.crosscheck.problems import Problem

__all__ = ["main"]


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
        from autograd_ref.crosscheck.command import check_targets

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
        return {True: AGREE, False: WRONG, None: BAD_INPUT}[passed]

    def _refuse(self, *names: str, why: str) -> None:
        """Refuse options that would be ignored."""
        for name in names:
            if getattr(self, name) != getattr(Check, name):
                raise ValueError(f"{_flag(name)} {why}")

    def _check_own(self) -> int:
        from rich.console import Console

        from autograd_ref.crosscheck.comparison import Comparison, compare_trace
        from autograd_ref.crosscheck.on_device import OnDevice, check_on_device, computing_on, find_device
        from autograd_ref.crosscheck.problems import cifar10_problem, digits_problem, toy_problem
        from autograd_ref.crosscheck.table import comparison_json, comparison_table

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
        return AGREE if wrong is None else WRONG

    def _check_shards(self, problems: "list[Problem]") -> int:
        from rich.console import Console

        from autograd_ref.crosscheck.sharded import check_sharded, sharded_json, sharded_table

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
        return AGREE if wrong is None else WRONG


@dataclass
class Data:
    """Download a data set, verify its checksum, and keep it where the other commands look for it."""

    name: tyro.conf.Positional[Literal["cifar10"]]
    """Which one; the digits come with scikit-learn and need no download."""

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where to keep it; otherwise the environment's HANDGRAD_DATA, or this user's cache."""

    def run(self) -> int:
        """Download unless it is there, read it once as a test, and return the exit code."""
        from handgrad.cifar10 import read_cifar10
        from handgrad.download import data_directory, download_cifar10

        archive = download_cifar10(data_directory() if self.data_dir is None else self.data_dir)
        X, _ = read_cifar10(archive)
        print(f"{archive}: {len(X)} images")
        return AGREE


@dataclass
class Train:
    """Train a network, and leave its settings, checkpoint, history and pictures in a directory.

    A run that ended early, in whatever way, goes on with --resume RUN as if it had not.

    Exits with 0 if all steps were taken, 1 if the loss diverged, 2 for bad input or a disk that is full, 130
    after Ctrl-C.
    """

    config: Annotated[Config, tyro.conf.arg(name="")] = field(default_factory=Config)

    preset: PresetName | None = None
    """Start from these settings; other flags then change single ones."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """The run's directory; otherwise a new one in runs/."""

    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Go on with the run in this directory, with its settings."""

    def run(self) -> int:
        """Train, say where everything is, and return the exit code."""
        from handgrad.run import InterruptedRunError, resume_run, start_run
        from handgrad.trainer import DivergedError

        try:
            if self.resume is None:
                directory = start_run(self.config, self.out)
            else:
                directory = self.resume
                resume_run(directory, self.config)
        except DivergedError as error:
            print(f"handgrad: {error}", file=sys.stderr)
            return WRONG
        except InterruptedRunError as error:
            print(f"handgrad: {error}", file=sys.stderr)
            return INTERRUPTED
        print(f"{directory}: {self.config.iters} steps; to test it: handgrad predict {directory}")
        return AGREE

    def base(self) -> Config | None:
        """The settings that the given flags are to change, if they are not the usual ones."""
        from handgrad.run import read_config

        if self.resume is not None:
            if self.out is not None or self.preset is not None:
                raise ValueError("--resume takes the run's directory and settings: no --out, no --preset")
            return read_config(self.resume)
        return None if self.preset is None else PRESETS[self.preset]


@dataclass
class Predict:
    """Classify the whole test part with a trained network: its accuracy, in all and for each class.

    Leaves the picture of the confusion matrix, confusion.png, in the run's directory.
    """

    directory: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """That of the run."""

    data: DataName | None = None
    """Another data set than that of the run; its images must be of the same size."""

    data_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where CIFAR-10 lies, if no longer where the run found it."""

    def run(self) -> int:
        """Classify, print, and return the exit code."""
        from handgrad.prediction import predict_run
        from handgrad.run import read_config

        given = {"data": self.data, "data_dir": self.data_dir}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        config = replace(read_config(self.directory), **changes)
        print(predict_run(self.directory, config))
        return AGREE


@dataclass
class Study:
    """Build the study page: both derivations of the network, side by side, in one file for a browser.

    Formulas and code are read from the source, and every number is computed on the way, which takes some ten
    seconds. In English and Chinese.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("study")
    """Where index.html goes."""

    open: bool = False
    """Show it in the browser."""

    def run(self) -> int:
        """Build the page, say where it is, and return the exit code."""
        import webbrowser

        from rich.console import Console

        from autograd_ref.study import write_page

        with Console(stderr=True).status("Deriving, checking and breaking the network …"):
            file = write_page(self.out)
        print(file)
        if self.open:
            webbrowser.open(file.resolve().as_uri())
        return AGREE


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parse(config: Config, axes: SweepSettings) -> Check | Data | Predict | Study | Sweep | Train:
    """The command that the arguments name; its flags change the given settings of training or of a sweep."""
    train = tyro.conf.subcommand("train", default=Train(config))
    sweep = tyro.conf.subcommand("sweep", default=Sweep(axes))
    return tyro.cli(
        Annotated[Check, tyro.conf.subcommand("check")]
        | Annotated[Data, tyro.conf.subcommand("data")]
        | Annotated[Predict, tyro.conf.subcommand("predict")]
        | Annotated[Study, tyro.conf.subcommand("study")]
        | Annotated[Sweep, sweep]
        | Annotated[Train, train],
        prog="handgrad",
        description="Backpropagation by hand, held against JAX.",
    )


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        command = _parse(Config(), SweepSettings())
        if isinstance(command, Train) and (base := command.base()) is not None:
            command = _parse(base, SweepSettings())
        elif isinstance(command, Sweep) and (axes := command.base()) is not None:
            command = _parse(Config(), axes)
        code = command.run()
    except (ValueError, OSError) as error:
        print(f"handgrad: {error}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
