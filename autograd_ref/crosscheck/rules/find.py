"""Find the custom rules that a call of JAX code uses, with their arguments."""

import ast
import linecache
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun, jaxprs_in_params
from numpy.typing import DTypeLike

from autograd_ref.arithmetic.interpreter import CUSTOM_RULES, bind, inner_jaxpr, interpret_closed
from autograd_ref.crosscheck.errors import what_stopped
from autograd_ref.crosscheck.function.pytrees import is_floating_array
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.two_layer_net import precision

__all__ = ["Rule", "Use", "find_uses", "in_dtype", "is_rule", "primal_of", "without_rules"]

JAX = os.path.dirname(os.path.dirname(jax.__file__))
LIBRARY = os.path.join(JAX, "jax") + os.sep


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
        equation: its equation in the jaxpr.
        operands: the values of its operands there; closed-over ones come first.
    """

    rule: Rule
    equation: JaxprEqn
    operands: list[Any]

    @property
    def constants(self) -> int:
        """The number of operands that are closed over, and have no cotangent."""
        count: int = self.equation.params["num_consts"]
        return count


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
) -> tuple[list[Use], list[str]]:
    """Call a function once, and note each use of a rule, in order.

    Only the first iteration of a loop and the taken branch count.

    Args:
        function: JAX code.
        args: arguments of the call.
        kwargs: keyword arguments of the call.
        dtype: dtype of all floating arrays among the arguments, float32 or float64.
        file: the user's file, for the line of an exception.
        until: the name and line of a rule whose first use is enough.

    Returns:
        The uses, a rule inside another's primal after it; and the names of rules that the call did not
        reach, for example in a branch that is not taken.

    Raises:
        NotJudged: the call raises, or JAX cannot trace it.
    """
    with precision(np.float32 if np.dtype(dtype) == np.float32 else np.float64):
        given, named = in_dtype((tuple(args), dict(kwargs)), dtype)
        try:
            traced = jax.make_jaxpr(lambda: jax.tree.leaves(function(*given, **named)))()
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            told = what_stopped(error, file).partition(f"{type(error).__name__}")[0]
            raise NotJudged(
                f"{told}{type(error).__name__}: JAX must be able to trace the call, without float(), NumPy's "
                "functions, or an if on its values"
            ) from error
        except Exception as error:
            raise NotJudged(f"the call raised {what_stopped(error, file)}") from error
        uses: list[Use] = []
        try:
            _walk(traced, [], uses, until)
        except _Enough:
            return uses[-1:], []
        except Exception as error:
            raise NotJudged(f"the call raised {what_stopped(error, file)}") from error
    reached = {use.rule.signature for use in uses}
    others = [rule for rule in map(_rule, _rules(traced.jaxpr)) if not rule.is_library]
    return uses, sorted({rule.name for rule in others if rule.signature not in reached})


def in_dtype(tree: Any, dtype: Any) -> Any:
    """Return a tree with JAX arrays, the floating ones cast; other leaves are unchanged."""

    def cast(leaf: Any) -> Any:
        if is_floating_array(leaf) and np.ndim(leaf) + isinstance(leaf, jax.Array | np.ndarray):
            return jnp.asarray(leaf).astype(dtype)
        return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biuc" else leaf

    return jax.tree.map(cast, tree)


class _Enough(Exception):  # noqa: N818
    """Ends the walk."""


def _walk(
    function: ClosedJaxpr | Jaxpr, inputs: list[Any], uses: list[Use], until: tuple[str, int] | None
) -> list[Any]:
    evaluate = partial(_evaluate, uses=uses, until=until)
    return interpret_closed(function, inputs, evaluate, lambda value: value, CUSTOM_RULES)


def _evaluate(
    equation: JaxprEqn, operands: list[Any], uses: list[Use], until: tuple[str, int] | None
) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if name in CUSTOM_RULES:
        rule = _rule(equation)
        uses.append(Use(rule, equation, list(operands)))
        if (rule.name, rule.line) == until:
            raise _Enough
        return _walk(_primal(equation), list(operands), uses, until)
    if not any(True for inner in jaxprs_in_params(params) for _ in _rules(inner)):
        return bind(equation, operands)
    if name == "cond":
        taken = int(np.clip(int(operands[0]), 0, len(params["branches"]) - 1))
        return _walk(params["branches"][taken], list(operands[1:]), uses, until)
    if name == "scan" and params["length"]:
        held = params["num_consts"] + params["num_carry"]
        last = params["length"] - 1 if params["reverse"] else 0
        _walk(params["jaxpr"], [*operands[:held], *(each[last] for each in operands[held:])], uses, until)
    if name == "while":
        before = params["cond_nconsts"]
        _walk(params["body_jaxpr"], list(operands[before:]), uses, until)
    return bind(equation, operands)


def _primal(equation: JaxprEqn) -> ClosedJaxpr:
    primal: Any = inner_jaxpr(equation)
    return primal if isinstance(primal, ClosedJaxpr) else ClosedJaxpr(primal, ())


def _rules(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    for equation in jaxpr.eqns:
        if equation.primitive.name in CUSTOM_RULES:
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from _rules(inner)


def _rule(equation: JaxprEqn) -> Rule:
    primal = _primal(equation)
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
    return jaxpr_as_fun(_primal(use.equation))


def without_rules(use: Use) -> Callable[..., Any]:
    """Return the function without any rule."""
    function = _primal(use.equation)
    return lambda *operands: interpret_closed(function, operands, bind, lambda value: value)
