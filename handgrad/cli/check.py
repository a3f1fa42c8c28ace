"""The command `handgrad check`."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from handgrad.cli.exit_codes import BAD_INPUT, FAILED, OK
from handgrad.cli.flags import Flag
from handgrad.validation import check_positive_int, check_real

if TYPE_CHECKING:
    from rich.table import Table

    from autograd_ref.crosscheck.isolated.command import Write
    from autograd_ref.crosscheck.problems import Problem

__all__ = ["Check"]


# Options that are None by default; their help says what that means.
_Text = Annotated[str | None, tyro.conf.arg(metavar="EXPR", help_behavior_hint="")]
_Count = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]


@dataclass
class Check:
    """Check hand-written gradients against automatic differentiation.

    JAX differentiates the program's own forward pass, which is recorded while it runs in a separate process.
    The ways to check, in the order to try them:

    - A demonstration, on handgrad's own network: handgrad check
    - Everything in a file, a notebook or a folder: handgrad check layers.py
    - One function or class: handgrad check net.py:TwoLayerNet
    - All that a program calls: handgrad check net.py --run 'train.py --epochs 1'
    - One function that it calls: handgrad check net.py:Net.step --run train.py
    - Your own call: handgrad check net.py:f --call 'f(rng.standard_normal((4, 3)))'
    - A method: handgrad check net.py:Net.step --call 'net = Net(4); net.step(x, y)'
    - With fc_backward: handgrad check net.py:fc_forward --call 'fc_forward(x, w)'
    - No loss: handgrad check net.py:train --call 'train(W, x)' --loss 'np.sum(out)'
    - A JAX or PyTorch rule: handgrad check layers.py:softplus --call 'softplus(x)'

    Without --call, example_NAME(rng) or example(rng) in the file may return the arguments. --reference
    compares a function with another one in JAX or PyTorch.

    Exits with 0 if all gradients are right, 1 if one is wrong, 2 for bad input or if one was not judged.
    Compiled programs are kept in the user's cache directory for the next check, unless HANDGRAD_CACHE=0.
    JAX computes on the CPU; JAX_PLATFORMS=cuda is for rules whose kernels need a GPU.
    Functions that numba would compile run as Python, unless NUMBA_DISABLE_JIT=0.
    """

    targets: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[TARGET ...]", help_behavior_hint="")
    ] = ()
    """FILE.py:NAME or package.module:NAME. NAME is a function, Class.method, or a class with a loss.
    FILE.py:LINE is one round of the training loop there. FILE.py or a folder means everything in it."""

    call: _Text = None
    """Python code that calls NAME, with np, rng and the file's own names.
    Its first call with floating-point arrays is judged, at every point with new random numbers."""

    program: Annotated[str | None, tyro.conf.arg(name="run", metavar="PROGRAM", help_behavior_hint="")] = None
    """Run 'SCRIPT.py ARG ...' or '-m MODULE ARG ...' until it calls NAME with floating-point arrays.
    This call is judged; for a file without NAME, everything in it that the program calls.
    If FILE.py itself calls NAME when it is imported, no option is needed."""

    nth: int = 1
    """Judge the call with this number."""

    loss: _Text = None
    """The loss, if the call computes none: an expression of `out`, NAME's result, and of NAME's variables,
    or the name of another function with the same arguments."""

    backward: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """The backward function of a forward function or of a loss, if its name does not say so."""

    of: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="GRAD=ARRAY")] = ()
    """The array to which a gradient belongs, if that is unclear: --of 'dW=params["W1"]'."""

    points: int = 3
    """Number of points at which a call is judged."""

    reference: Annotated[str | None, tyro.conf.arg(metavar="FILE:NAME", help_behavior_hint="")] = None
    """A function in JAX or PyTorch, (params, *args) -> loss, for a target (params, *args) -> (loss, grads).
    The function example(rng) in either file returns (params, *args). It is called three times."""

    input_size: int = 7
    """Networks: features D of the first problem. The other problems have fixed sizes."""

    hidden_size: int = 10
    """Networks: hidden units H of the first problem."""

    output_size: int = 5
    """Networks: classes C of the first problem."""

    batch: int = 9
    """Networks: rows N of the first problem."""

    reg: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")] = None
    """Networks: strength of the penalty in the first problem."""

    dtype: Annotated[
        Literal["float64", "float32"] | None, tyro.conf.arg(metavar="DTYPE", help_behavior_hint="")
    ] = None
    """float64 (default) or float32, for parameters and inputs.
    The arguments of a recorded call keep their dtype."""

    seed: int = 0
    """Seed of the random problems and of `rng`."""

    tolerance: float = 0.0
    """For gradients that are inexact by design: widen every bound to this fraction of the entry,
    or of its array's root mean square if that is larger."""

    surrogate: Flag = False
    """For rules that differ from the derivative by design (straight-through, gradient reversal, clipping).
    Rules in --reference are accepted as they are. Others are checked for shape, dtype and linearity."""

    strict: Flag = False
    """Exit with 1 for a warning about a right gradient, too."""

    time_limit: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 60.0
    """Time for each target, or for all the work of --shards and --processes."""

    cifar10: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Without a target: check on CIFAR-10, from the folder with data_batch_1.bin or its parent."""

    shards: _Count = None
    """Without a target: split a batch into this number of shards, each on its own simulated device."""

    processes: _Count = None
    """Without a target: spread the shards over this number of processes; without --shards, one for each."""

    device: Annotated[
        Literal["cpu", "gpu"] | None, tyro.conf.arg(metavar="DEVICE", help_behavior_hint="")
    ] = None
    """Without a target: cpu or gpu, where JAX computes. Its float32 results there are checked, too."""

    explain: Flag = False
    """Also print the source of a recorded call, with what each line computes."""

    html: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Write the report of a recorded call, with this listing, to an HTML page."""

    repair: bool = True
    """Search for a change of a recorded program that makes a wrong gradient right, and show it."""

    diff: Flag = False
    """Print the repair as a patch for `git apply`, and the report to standard error."""

    fix: Flag = False
    """Write the repair into the file, after asking. A copy of the old file is kept beside it."""

    yes: Flag = False
    """With --fix: write without asking."""

    hint: Flag = False
    """For a file from `handgrad exercise`: print the next hint. A file beside it counts the hints."""

    solve: Flag = False
    """For such a file: print the next line."""

    watch: Flag = False
    """For such a file: show the progress whenever it is saved, until all steps are right, or Ctrl-C."""

    json: Flag = False
    """Print JSON instead of text: one object, or one per line in the order of the targets."""

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
    """Check an exercise, and return the exit code; return None if the target is not an exercise."""
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
    """Judge the gradients of the targets."""
    from autograd_ref.crosscheck.isolated.command import check_targets
    from autograd_ref.crosscheck.isolated.process import Outcome

    own = ("cifar10", "shards", "processes", "device")
    _refuse(options, own, "is for handgrad's own network and goes with no target")
    sizes = ("batch", "input_size", "hidden_size", "output_size")
    if options.reference is not None:
        _refuse(
            options, (*sizes, "reg"), "is for networks; with --reference, example(rng) returns the arguments"
        )
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
    """Return what to do with repairs."""
    from autograd_ref.crosscheck.isolated.command import Write

    if not options.repair and (options.diff or options.fix):
        raise ValueError("--no-repair leaves nothing for --diff or --fix")
    if options.yes and not options.fix:
        raise ValueError("--yes goes with --fix")
    if options.json and options.fix and not options.yes:
        raise ValueError("--fix asks before it writes, which is impossible with --json: add --yes")
    if options.json and options.diff:
        raise ValueError("--diff and --json both print to standard output: the JSON has the diff, too")
    return Write(options.diff, options.fix, not options.yes) if options.diff or options.fix else None


def _recorded(options: Check) -> dict[str, object]:
    """Return the options for a recorded call."""
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
