"""Find the custom rules that a call of JAX code uses, with their arguments."""

import ast
import inspect
import linecache
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun, jaxprs_in_params
from numpy.typing import DTypeLike

from autograd_ref.compiling.interpreter import (
    CUSTOM_RULES,
    SOLVE,
    bind,
    inner_jaxpr,
    interpret_closed,
    operands_of_solve,
)
from autograd_ref.crosscheck.errors import failed, what_stopped
from autograd_ref.crosscheck.function.pytrees import is_complex_array, is_floating_array
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.crosscheck.rules.solves import LIBRARY, Solve, solves_at
from autograd_ref.two_layer_net import precision

__all__ = [
    "Rule", "Untraceable", "Use", "Uses", "find_uses", "in_dtype", "is_rule", "noting_calls",
    "primal_at", "primal_of", "rule_at", "rule_of", "without_rules",
]  # fmt: skip

WHOLE = {*CUSTOM_RULES, SOLVE}


# What JAX raises where Python needs a value while it traces.
NO_VALUE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Untraceable(NotJudged):
    """A call that JAX cannot trace; ``place`` names the line."""

    def __init__(self, error: Exception, file: str) -> None:
        told = what_stopped(error, file).partition(type(error).__name__)[0]
        self.place = f"{told}{type(error).__name__}"
        super().__init__(
            f"{self.place}: JAX must be able to trace the call, without float(), NumPy's functions, or an if "
            "on its values"
        )


class Rule(NamedTuple):
    """A function with its own rule.

    Attributes:
        name: name of the function.
        file: the file that defines it.
        line: its line in the file.
        rule_line: the line of the function for the derivative.
        kind: custom_vjp or custom_jvp.
        arguments: names of its operands, in order, without closed-over ones.
        signature: signature of operands and primal; the same rule with another signature is checked
            separately.
    """

    name: str
    file: str
    line: int
    rule_line: int
    kind: str
    arguments: tuple[str, ...]
    signature: str

    @property
    def is_library(self) -> bool:
        """Whether it is one of JAX's own rules."""
        return self.file.startswith(LIBRARY)

    @property
    def place(self) -> str:
        """The place of the use, for the reader."""
        beside = f", its rule at line {self.rule_line}" if self.rule_line != self.line else ""
        return f"line {self.line} of {os.path.basename(self.file)}{beside}"


class Use(NamedTuple):
    """One use of a rule.

    Attributes:
        rule: the rule.
        equation: its equation in the jaxpr, a JaxprEqn; None if it was not traced.
        operands: the values of its operands there; closed-over ones come first.
    """

    rule: Rule
    equation: Any
    operands: list[Any]

    @property
    def constants(self) -> int:
        """The number of operands that are closed over, and have no cotangent."""
        count: int = self.equation.params["num_consts"]
        return count


class Uses(NamedTuple):
    """The uses of rules in a call.

    Attributes:
        found: the uses in order, a rule inside another's primal after it.
        missing: the names of rules that the call did not reach, as in a branch that is not taken.
        inside: the names of rules that the call differentiates itself, so that JAX shows none.
        solves: its linear systems with solvers that are not JAX's own.
    """

    found: list[Use]
    missing: list[str]
    inside: list[str]
    solves: list[Solve]


def is_rule(value: Any) -> bool:
    """Whether an object is a JAX function with its own rule."""
    if isinstance(value, jax.custom_vjp | jax.custom_jvp):
        return True
    code = getattr(value, "__code__", None)  # the result of custom_gradient
    return code is not None and code.co_name == "wrapped_fun" and code.co_filename.startswith(LIBRARY)


def find_uses(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    dtype: DTypeLike,
    file: str,
    until: tuple[str, int] | None = None,
) -> Uses:
    """Call a function once, and note each use of a rule, in order; of JAX's own only if there is no other.

    Only the first iteration of a loop and the taken branch count.

    Args:
        function: JAX code.
        args: arguments of the call.
        kwargs: keyword arguments of the call.
        dtype: dtype of all floating arrays among the arguments, float32 or float64.
        file: the user's file, for the line of an exception.
        until: the name and line of a rule whose first use is enough.

    Returns:
        The uses, and what else is known of the call's rules.

    Raises:
        Untraceable: JAX cannot trace the call.
        NotJudged: the call raises.
    """
    inside: set[str] = set()

    def note(rule: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        known = rule_of(rule)
        if not known.is_library and any(hasattr(leaf, "primal") for leaf in jax.tree.leaves((args, kwargs))):
            inside.add(known.name)

    with precision(np.float32 if np.dtype(dtype) == np.float32 else np.float64):
        given, named = in_dtype((tuple(args), dict(kwargs)), dtype)
        try:
            with noting_calls(note):
                traced = jax.make_jaxpr(lambda: jax.tree.leaves(function(*given, **named)))()
        except NO_VALUE as error:
            raise Untraceable(error, file) from error
        except Exception as error:
            raise NotJudged(failed("the call", error, file)) from error
        rules = {id(each): rule_at(each) for each in _rules(traced.jaxpr)}
        own = {key: rule for key, rule in rules.items() if not rule.is_library}
        evaluation = _Walk(own or rules, until)
        try:
            evaluation.walk(traced, [])
        except _Enough:
            return Uses(evaluation.uses[-1:], [], [], [])
        except Exception as error:
            raise NotJudged(failed("the call", error, file)) from error
    reached = {use.rule.signature for use in evaluation.uses}
    missing = {rule.name for rule in own.values() if rule.signature not in reached}
    return Uses(evaluation.uses, sorted(missing), sorted(inside), evaluation.solves)


@contextmanager
def noting_calls(note: Callable[[Any, tuple[Any, ...], dict[str, Any]], None]) -> Iterator[None]:
    """Note every call of a `jax.custom_vjp` or `jax.custom_jvp` inside the context, before it is made."""
    kinds: tuple[Any, ...] = (jax.custom_vjp, jax.custom_jvp)
    inherited = [kind.__call__ for kind in kinds]

    def noting(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
            note(self, args, kwargs)
            return call(self, *args, **kwargs)

        return noted

    for kind, call in zip(kinds, inherited, strict=True):
        kind.__call__ = noting(call)
    try:
        yield
    finally:
        for kind, call in zip(kinds, inherited, strict=True):
            kind.__call__ = call


def rule_of(value: Any) -> Rule:
    """Return what is known of a `jax.custom_vjp` or `jax.custom_jvp` before it is called."""
    reverse = isinstance(value, jax.custom_vjp)
    function = value.fun
    code = getattr(function, "__code__", None)
    if code is not None and code.co_name == "wrapped_fun" and code.co_filename.startswith(LIBRARY):
        function = inspect.getclosurevars(function).nonlocals.get("fun", function)  # of custom_gradient
    code = getattr(inspect.unwrap(function), "__code__", None)
    back = getattr(value.bwd if reverse else value.jvp, "__code__", None)
    if code is None:
        return Rule(str(function), "", 0, 0, "", (), "")
    line = code.co_firstlineno
    ruled = back.co_firstlineno if back is not None and back.co_filename == code.co_filename else line
    kind = "custom_vjp" if reverse else "custom_jvp"
    names = tuple(inspect.signature(function).parameters)
    return Rule(code.co_name, code.co_filename, line, ruled, kind, names, "")


def in_dtype(tree: Any, dtype: Any) -> Any:
    """Return a tree with JAX arrays, the real and complex ones cast; other leaves are unchanged."""

    def cast(leaf: Any) -> Any:
        if is_floating_array(leaf) and np.ndim(leaf) + isinstance(leaf, jax.Array | np.ndarray):
            return jnp.asarray(leaf, dtype)
        if is_complex_array(leaf):
            return jnp.asarray(leaf, np.result_type(dtype, np.complex64))
        return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biu" else leaf

    return jax.tree.map(cast, tree)


class _Enough(Exception):  # noqa: N818
    """Ends the walk."""


@dataclass
class _Walk:
    """An evaluation that notes uses of rules.

    Attributes:
        rules: the rules to note, by the id of their equation.
        until: the name and line of a rule whose first use is enough.
        uses: the uses so far.
        solves: the linear systems so far.
    """

    rules: dict[int, Rule]
    until: tuple[str, int] | None
    uses: list[Use] = field(default_factory=list)
    solves: list[Solve] = field(default_factory=list)

    def walk(self, function: ClosedJaxpr | Jaxpr, inputs: Sequence[Any]) -> list[Any]:
        """Evaluate a function."""
        return interpret_closed(function, list(inputs), self._evaluate, lambda value: value, WHOLE)

    def _evaluate(self, equation: JaxprEqn, operands: list[Any]) -> Sequence[Any]:
        name, params = equation.primitive.name, equation.params
        if name == SOLVE:
            self.solves += solves_at(equation, operands)
            return self.walk(params["jaxprs"].solve, operands_of_solve(equation, operands))
        if id(equation) in self.rules:
            rule = self.rules[id(equation)]
            self.uses.append(Use(rule, equation, list(operands)))
            if (rule.name, rule.line) == self.until:
                raise _Enough
        if not any(id(each) in self.rules for inner in jaxprs_in_params(params) for each in _rules(inner)):
            return bind(equation, operands)
        if name in CUSTOM_RULES:
            return self.walk(primal_at(equation), operands)
        if name == "cond":
            taken = int(np.clip(int(operands[0]), 0, len(params["branches"]) - 1))
            return self.walk(params["branches"][taken], operands[1:])
        if name == "scan" and params["length"]:
            held = params["num_consts"] + params["num_carry"]
            last = params["length"] - 1 if params["reverse"] else 0
            self.walk(params["jaxpr"], [*operands[:held], *(each[last] for each in operands[held:])])
        if name == "while":
            self.walk(params["body_jaxpr"], operands[params["cond_nconsts"] :])
        return bind(equation, operands)


def primal_at(equation: JaxprEqn) -> ClosedJaxpr:
    """Return the function without its rule, of the equation that uses it."""
    primal: Any = inner_jaxpr(equation)
    return primal if isinstance(primal, ClosedJaxpr) else ClosedJaxpr(primal, ())


def _rules(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    for equation in jaxpr.eqns:
        if equation.primitive.name in CUSTOM_RULES:
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from _rules(inner)


def rule_at(equation: JaxprEqn) -> Rule:
    """Return the rule of an equation that uses one."""
    primal = primal_at(equation)
    reverse = "vjp" in equation.primitive.name
    told = primal.jaxpr.debug_info
    names = equation.params["fwd_jaxpr_thunk"].debug_info.arg_names if reverse else told.arg_names
    name, _, place = told.func_src_info.partition(" at ")
    file, _, line = place.rpartition(":")
    count = len(equation.invars) - equation.params["num_consts"]
    if file == jax.custom_gradient.__code__.co_filename:  # of the wrapper that it makes
        name, file, line = _inside(primal, name, file, line)
        names = _parameters(name, file, int(line))
    given = equation.params["bwd" if reverse else "jvp_jaxpr_fun"].debug_info.func_src_info.partition(" at ")[
        2
    ]
    rule_file, _, rule_line = given.rpartition(":")
    if names is None or len(names) != count:
        names = tuple(f"args[{i}]" for i in range(count))
    avals = [str(var.aval) for var in equation.invars]
    signature = f"{told.func_src_info} {given} {avals} {primal}"
    if not file.startswith(LIBRARY):
        signature += _identity(equation, count)
    kind = "custom_vjp" if reverse else "custom_jvp"
    start = int(line or 0)
    ruled = int(rule_line) if rule_file == file and rule_line else start
    return Rule(name, file, start, ruled, kind, tuple(map(str, names)), signature)


def _parameters(name: str, file: str, line: int) -> tuple[str, ...]:
    """Return the parameter names of the function at a line of a file."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return ()
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
        if node.name == name and node.lineno <= line <= (node.end_lineno or line):
            return tuple(each.arg for each in node.args.args)
    return ()


def _identity(equation: JaxprEqn, count: int) -> str:
    """Return a key that distinguishes rules from one place, made by a factory or with other static values."""
    params = equation.params
    if "bwd" in params:
        static = [
            made[1] for made in params["bwd"].transforms if "static" in getattr(made[0], "__name__", "")
        ]
        return f"{id(params['bwd'].f)} {static}"
    try:
        jaxpr, constants, _ = params["jvp_jaxpr_fun"].call_wrapped(*[False] * count)
    except Exception:
        return f"{id(params['jvp_jaxpr_fun'])}"
    return f"{jaxpr} {constants}"


def _inside(primal: ClosedJaxpr, *known: str) -> tuple[str, str, str]:
    """Return the function around the first operation that is not JAX's own."""
    for equation in primal.jaxpr.eqns:
        trace = equation.source_info.traceback
        for frame in [] if trace is None else trace.frames:
            if not frame.file_name.startswith(LIBRARY):
                name = frame.function_name.rpartition(".")[2]
                return name, frame.file_name, str(frame.line_num)
    return known[0], known[1], known[2]


def primal_of(use: Use) -> Callable[..., Any]:
    """Return the function without its rule, but with the rules inside it."""
    return jaxpr_as_fun(primal_at(use.equation))


def without_rules(use: Use) -> Callable[..., Any]:
    """Return the function without any rule."""
    function = primal_at(use.equation)
    return lambda *operands: interpret_closed(function, operands, bind, lambda value: value)
