"""The command `handgrad check`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from handgrad.cli.exit_codes import BAD_INPUT, FAILED, OK
from handgrad.validation import check_positive_int, check_real

if TYPE_CHECKING:
    from rich.table import Table

    from autograd_ref.crosscheck.isolated.command import Write
    from autograd_ref.crosscheck.problems import Problem

__all__ = ["Check"]


@dataclass
class Check:
    """Hold hand-derived gradients against the automatic ones.

    Without a target: handgrad's own network, quantity by quantity, on the course's toy problem and on the
    digits that scikit-learn ships, in float64 and float32. With targets: anybody's NumPy code, each in an
    interpreter of its own. A call of it is recorded, and its own forward pass is the reference. Try in turn:

    handgrad check layers.py (all that a file, a notebook or a folder has: functions, classes, training loops)

    handgrad check train.py --run 'train.py --epochs 1' (the same while another program, or itself, runs)

    handgrad check net.py:TwoLayerNet (called as its names say, or when net.py is imported)

    handgrad check net.py:Net.step --run 'train.py --epochs 1' (called when another program runs)

    handgrad check net.py:loss --call 'loss(rng.standard_normal((4, 3)), X, y)' (returns loss, gradients)

    handgrad check net.py:Net.step --call 'net = Net(4, 3); net.step(x, y)' (stores self.loss, self.dW)

    handgrad check net.py:affine_forward --call 'affine_forward(x, w, b)' (with affine_backward beside it)

    handgrad check net.py:train --call 'train(W, x, y)' --loss '0.5 * np.sum((out - y) ** 2)'

    handgrad check layers.py:softplus --call 'softplus(x)' (a rule of JAX or PyTorch, or what calls some)

    Without --call, example_NAME(rng) or example(rng) in the file returns the arguments. With --reference, a
    function is held against one of JAX or PyTorch.

    Exits with 0 if all agree, 1 if a gradient is wrong, 2 for bad input or what could not be judged. What was
    compiled is kept in the user's cache directory for the next check, unless HANDGRAD_CACHE=0.
    """

    targets: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TARGET ...")] = ()
    """FILE.py:NAME or package.module:NAME, NAME a function, Class.method, or a class with a loss;
    FILE.py:LINE for one round of the training loop there; FILE.py or a folder, for all that it has."""

    call: Annotated[str | None, tyro.conf.arg(metavar="EXPR")] = None
    """Python that calls NAME, with np, rng and the names of its file. The first call with floating arrays is
    judged, once more for each point with new random numbers."""

    program: Annotated[str | None, tyro.conf.arg(name="run", metavar="PROGRAM")] = None
    """Run a program, 'SCRIPT.py ARG ...' or '-m MODULE ARG ...', until it calls NAME with floating arrays:
    this call is judged; for FILE.py without a name, all that it calls. Where FILE.py itself calls NAME when
    it is imported, no option is needed."""

    nth: int = 1
    """Judge another call than the first."""

    loss: Annotated[str | None, tyro.conf.arg(metavar="EXPR")] = None
    """The loss of a call that computes none: an expression of `out`, what NAME returned, and of NAME's own
    variables, or the name of another function of the same arguments."""

    backward: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The other half of a forward function, where its name does not say so."""

    of: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Which gradient belongs to which array where that is not clear: --of 'dW=params["W1"]'."""

    points: int = 3
    """At how many points a call is judged."""

    reference: Annotated[str | None, tyro.conf.arg(metavar="FILE.py:NAME")] = None
    """A function of JAX or PyTorch, (params, *args) -> loss, for a target (params, *args) -> (loss, grads).
    The file of either says where to check: its example(rng), drawn three times, returns (params, *args)."""

    input_size: int = 7
    """Features D of the first problem on which a network is tried; the other problems have fixed sizes."""

    hidden_size: int = 10
    """Hidden units H of that problem."""

    output_size: int = 5
    """Classes C of that problem."""

    batch: int = 9
    """Rows N of that problem."""

    reg: float | None = None
    """Strength of the penalty in that problem."""

    dtype: Literal["float64", "float32"] | None = None
    """Dtype of parameters and inputs; by default float64. What a recorded call is given stays as it is."""

    seed: int = 0
    """Seed of the random problems and of `rng`."""

    tolerance: float = 0.0
    """Widen every bound to this part of the larger of an entry and its array's root mean square, for what is
    inexact by design."""

    surrogate: bool = False
    """Rules are meant to differ from the derivative (straight-through, gradient reversal, clipping): those of
    a --reference hold as they stand, of others the shape, the dtype and the linearity is checked."""

    strict: bool = False
    """Exit with 1 for a warning about a right gradient, too."""

    time_limit: float = 60.0
    """Seconds for each target, or for all that --shards and --processes compute."""

    cifar10: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Without a target: check on a batch of CIFAR-10 instead, from the folder that holds data_batch_1.bin, or
    its parent."""

    shards: int | None = None
    """Without a target: split a batch into this number of shards, each on a simulated device of its own."""

    processes: int | None = None
    """Without a target: spread the shards over this number of processes; alone, one shard for each."""

    device: Literal["cpu", "gpu"] | None = None
    """Without a target: where JAX computes. What it gives there in float32 is then checked as well."""

    explain: bool = False
    """Print the source of a recorded call as well, with what each line of it computes."""

    html: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the report of a recorded call and that listing to one page of HTML."""
    repair: bool = True
    """Look for a change of a recorded program that makes a wrong gradient right, and show it."""

    diff: bool = False
    """Print such a change as a patch, as `git apply` takes it, and the report to standard error."""

    fix: bool = False
    """Write such a change into the file, after asking; the old file is kept beside it."""

    yes: bool = False
    """With --fix: do not ask."""

    hint: bool = False
    """Of a file that `handgrad exercise` wrote: print the next hint. How many were shown is kept beside the
    file."""

    solve: bool = False
    """Of such a file: print the next line."""

    watch: bool = False
    """Of such a file: say how far it is again whenever it is saved, until all is right, or Ctrl-C."""

    json: bool = False
    """Print JSON instead of text: one object, or one a line in the order of the targets."""

    def run(self) -> int:
        """Compare, print, and return the exit code."""
        exercise = _exercise(self)
        if exercise is not None:
            return exercise
        if self.targets:
            return _check_targets(self)
        if self.shards is not None or self.processes is not None:
            return _check_in_shards(self)
        return _check_own_network(self)


def _exercise(options: Check) -> int | None:
    """Say how far an exercise is; None where the target is none."""
    own = ("hint", "solve", "watch")
    if len(options.targets) == 1 and options.targets[0].endswith(".py"):
        from autograd_ref.exercise.writing import exercise_in
        from handgrad.cli.exercise import check_exercise_file

        exercise = exercise_in(options.targets[0])
        if exercise is not None:
            others = [each.name for each in fields(options)]
            kept = {*own, "targets", "json", "time_limit"}
            _refuse(
                options,
                [each for each in others if each not in kept],
                f"goes with a function of an exercise, {options.targets[0]}:{exercise.topic.function}",
            )
            return check_exercise_file(
                exercise,
                **{name: getattr(options, name) for name in own},
                as_json=options.json,
                time_limit=check_real("--time-limit", options.time_limit, minimum=0.0),
            )
    _refuse(options, own, "is for a file that `handgrad exercise` wrote")
    return None


def _check_targets(options: Check) -> int:
    """Judge other people's gradients."""
    from autograd_ref.crosscheck.isolated.command import check_targets
    from autograd_ref.crosscheck.isolated.process import Outcome

    own = ("cifar10", "shards", "processes", "device")
    _refuse(options, own, "is for handgrad's own network and goes with no target")
    sizes = ("batch", "input_size", "hidden_size", "output_size")
    if options.reference is not None:
        _refuse(options, (*sizes, "reg"), "is for networks; with --reference, example(rng) says where")
    request = {
        "recorded": _recorded(options),
        "reference": options.reference,
        "sizes": [check_positive_int(_flag(size), getattr(options, size)) for size in sizes],
        "reg": None if options.reg is None else check_real("--reg", options.reg, minimum=0.0),
        "dtype": options.dtype,
        "seed": int(check_real("--seed", options.seed, minimum=0)),
        "tolerance": check_real("--tolerance", options.tolerance, minimum=0.0),
        "surrogate": options.surrogate,
    }
    time_limit = check_real("--time-limit", options.time_limit, minimum=0.0)
    outcome = check_targets(
        options.targets,
        request,
        as_json=options.json,
        strict=options.strict,
        time_limit=time_limit,
        html=options.html,
        write=_write(options),
    )
    return {Outcome.WRONG: FAILED, Outcome.NOT_JUDGED: BAD_INPUT}.get(outcome, OK)


def _write(options: Check) -> "Write | None":
    """What is done with repairs."""
    from autograd_ref.crosscheck.isolated.command import Write

    if not options.repair and (options.diff or options.fix):
        raise ValueError("--no-repair leaves nothing for --diff or --fix")
    if options.yes and not options.fix:
        raise ValueError("--yes goes with --fix")
    if options.json and options.fix and not options.yes:
        raise ValueError("--fix asks, which --json cannot: add --yes")
    if options.json and options.diff:
        raise ValueError("--diff and --json both print to standard output: the JSON has the diff, too")
    return Write(options.diff, options.fix, not options.yes) if options.diff or options.fix else None


def _recorded(options: Check) -> dict[str, object]:
    """What is asked of a call that is recorded."""
    if options.reference is not None:
        own = ("call", "program", "nth", "loss", "backward", "of", "points")
        _refuse(
            options,
            own,
            "is for a recorded call, whose own forward pass is the reference: not with --reference",
        )
    if options.call is not None and options.program is not None:
        raise ValueError("--call and --run are different ways to say what the call is: give one")
    for name in ("call", "loss", "backward"):
        if getattr(options, name) is not None and not getattr(options, name).strip():
            raise ValueError(f"--{name} is empty")
    of = [each.partition("=") for each in options.of]
    for name, sign, leaf in of:
        if not (name.strip() and sign and leaf.strip()):
            raise ValueError(f"--of takes GRADIENT=ARRAY, as in 'dW=params[\"W1\"]', not {name}{sign}{leaf}")
    return {
        "call": options.call,
        "run": options.program,
        "nth": check_positive_int("--nth", options.nth),
        "loss": options.loss,
        "backward": options.backward,
        "of": {name.strip(): leaf.strip() for name, _, leaf in of},
        "points": check_positive_int("--points", options.points),
        "explain": options.explain or options.html is not None,
        "repair": options.repair,
    }


def _check_own_network(options: Check) -> int:
    """Judge handgrad's own network, stage by stage; on a device, also what JAX itself gives there."""
    from autograd_ref.compiling.cache import keep_compiled
    from autograd_ref.crosscheck.comparison import Comparison, compare_trace
    from autograd_ref.crosscheck.reports.table import comparison_json, comparison_table
    from autograd_ref.devices.on_device import OnDevice, check_on_device, computing_on, find_device

    _refuse_options_of_targets(options, "cifar10", "device", "json")
    problems = _own_problems(options)
    device = None if options.device is None else find_device(options.device)
    keep_compiled()
    with computing_on(device):
        comparisons = [
            compare_trace(problem, problem.net().trace(problem.X, problem.y, problem.reg))
            for problem in problems
        ]
        there = [] if device is None else [check_on_device(problem, device) for problem in problems]
    judged: list[Comparison | OnDevice] = [*comparisons, *there]
    wrong = next((one for one in judged if not one.ok), None)
    if options.json:
        answer = {"ok": wrong is None, "problems": [comparison_json(one) for one in comparisons]}
        print(json.dumps(answer | ({"on_device": [one.to_json() for one in there]} if there else {})))
    else:
        _print_tables(
            [(comparison_table(comparison),) for comparison in comparisons]
            + [(on_device.table(), *on_device.reasons) for on_device in there],
            "All agree: every quantity is within the rounding that its bound allows."
            if wrong is None
            else f"{wrong.first_wrong} is the first wrong quantity, on {wrong.name} in {wrong.dtype}.",
        )
    return OK if wrong is None else FAILED


def _check_in_shards(options: Check) -> int:
    """Judge the gradient of a batch in shards, by hand and by JAX."""
    from autograd_ref.devices.check import check_sharded, sharded_json, sharded_table

    _refuse_options_of_targets(options, "cifar10", "shards", "processes", "device", "json", "time_limit")
    processes = 1 if options.processes is None else check_positive_int("--processes", options.processes)
    shards = processes if options.shards is None else check_positive_int("--shards", options.shards)
    comparisons = check_sharded(
        _own_problems(options),
        shards,
        processes,
        device=options.device or "cpu",
        time_limit=check_real("--time-limit", options.time_limit, minimum=0.0),
    )
    wrong = next((comparison for comparison in comparisons if not comparison.ok), None)
    if options.json:
        answer = {"ok": wrong is None, "shards": shards, "processes": processes}
        print(json.dumps(answer | {"problems": [sharded_json(one) for one in comparisons]}))
    else:
        _print_tables(
            [(sharded_table(comparison),) for comparison in comparisons],
            "All agree: whole and in shards, every quantity is within the rounding that its bound allows."
            if wrong is None
            else wrong.what_is_wrong(),
        )
    return OK if wrong is None else FAILED


def _own_problems(options: Check) -> "list[Problem]":
    from autograd_ref.crosscheck.problems import cifar10_problem, digits_problem, toy_problem

    exact = (
        [toy_problem(), digits_problem()] if options.cifar10 is None else [cifar10_problem(options.cifar10)]
    )
    return [problem.astype(dtype) for problem in exact for dtype in ("float64", "float32")]


def _print_tables(blocks: "Sequence[tuple[Table | str, ...]]", conclusion: str) -> None:
    from rich.text import Text

    from autograd_ref.crosscheck.reports.printed import print_report

    for block in blocks:
        print_report(*block, "")
    print_report(Text(conclusion, style="bold"))


def _refuse(options: Check, names: Iterable[str], why: str) -> None:
    """Refuse options that would be ignored."""
    for name in names:
        if getattr(options, name) != getattr(Check, name):
            raise ValueError(f"{_flag(name)} {why}")


def _refuse_options_of_targets(options: Check, *own: str) -> None:
    others = [field.name for field in fields(options) if field.name not in own]
    _refuse(options, others, "goes with a target, FILE.py:NAME")


def _flag(name: str) -> str:
    return "--run" if name == "program" else f"--{name.replace('_', '-')}"
