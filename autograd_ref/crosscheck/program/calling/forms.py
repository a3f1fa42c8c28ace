"""Forms of call: a function, a forward and its backward, a gradient and its loss, a loss in an expression.

Each becomes one function, which is recorded. It has the globals of the program's own function, so that it
counts as part of the program. Arrays are named by the first variable that leads to them, in alphabetical
order: hence `self` for the function itself, which may be a method, and `the_…` for the other.
"""

import inspect
import linecache
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.crosscheck.program.guessed.roles import role_of
from autograd_ref.crosscheck.reports.report import NotJudged

__all__ = [
    "COTANGENT",
    "Form",
    "counterpart",
    "forward_of",
    "gradient_beside",
    "is_backward",
    "pair",
    "plain",
    "required",
    "with_expression",
    "with_variables",
]

# The origin of the loss of a forward function and its backward function.
COTANGENT = "⟨dout, out⟩, dout at random"


class Form(NamedTuple):
    """The form of a call.

    Attributes:
        function: the function to record, with the arguments of the call.
        loss: the path of the loss in its results; None if it must be found.
        told: the origin of the loss, for the reader; None if it must be found.
        results: the path of the program's own result, and the function that returned it.
        leaves_variables: whether the function's own variables are among the results.
    """

    function: Callable[..., Any]
    loss: str | None
    told: str | None
    results: tuple[str, Callable[..., Any]]
    leaves_variables: bool = False


def plain(function: Callable[..., Any]) -> Form:
    """Return the form of a function that computes loss and gradients."""
    return Form(function, None, None, ("return", function))


def with_expression(
    function: Callable[..., Any], text: str, names: Mapping[str, Any], *, leaves_variables: bool = False
) -> Form:
    """Return the form of a loss that the program does not compute, an expression in its function's names."""
    try:
        code = compile(text.strip(), "<loss>", "eval")
    except SyntaxError as error:
        raise NotJudged(f"--loss is not an expression: {error.msg}: {text.strip()}") from None
    linecache.cache["<loss>"] = len(text), None, text.strip().splitlines(keepends=True), "<loss>"
    self, variables, watch, evaluate = function, names, _watched, eval
    seen = _with_result

    def call(*args, **kwargs):  # type: ignore[no-untyped-def]
        out, known = watch(self, args, kwargs)
        found = evaluate(code, space, {**variables, **seen(known, out)})
        return found, seen(known, out) if leaves_variables else out

    space = getattr(inspect.unwrap(function), "__globals__", {})
    result = "return[1]['out']" if leaves_variables else "return[1]"
    told = f"{text.strip()} (--loss)"
    return Form(_in_program(call, function), "return[0]", told, (result, function), leaves_variables)


def with_variables(function: Callable[..., Any]) -> Form:
    """Return the form of a function that also returns its variables, with its result as `out`."""
    self, watch, seen = function, _watched, _with_result

    def call(*args, **kwargs):  # type: ignore[no-untyped-def]
        out, known = watch(self, args, kwargs)
        return seen(known, out)

    return Form(_in_program(call, function), None, None, ("return['out']", function), True)


def gradient_beside(loss: Callable[..., Any], gradient: Callable[..., Any], name: str) -> Form:
    """Return the form of a function for the loss and another for its gradient."""
    self, the_loss = gradient, loss

    def call(*args, **kwargs):  # type: ignore[no-untyped-def]
        return the_loss(*args, **kwargs), self(*args, **kwargs)

    return Form(_in_program(call, gradient), "return[0]", f"{name}()", ("return[1]", gradient))


def pair(forward: Callable[..., Any], backward: Callable[..., Any], seed: int) -> Form:
    """Return the form of a forward and its backward: ⟨dout, out⟩ with a random dout for each output."""
    arguments, weigh, stored, signature = _arguments, _weighed, _stored, _signature(forward)
    self, the_other = forward, backward

    def call(*args, **kwargs):  # type: ignore[no-untyped-def]
        out = stored(self(*args, **kwargs), args)
        given, outs, cotangents = arguments(the_other, out, signature, args, kwargs, seed)
        return weigh(outs, cotangents), the_other(*given)

    return Form(_in_program(call, forward), "return[0]", COTANGENT, ("return[1]", backward))


# Words in the names of backward functions, and those in their forward functions.
BACKWARD = {"backward": "forward", "bwd": "fwd", "bprop": "fprop"}


def counterpart(name: str, known: Callable[[str], Any]) -> tuple[str, str] | None:
    """Find the other half of a target by its name.

    Args:
        name: name of the target.
        known: returns the object with a name, or None.

    Returns:
        "backward" or "loss", and the name of the other half; None if there is none.
    """
    head, _, last = name.rpartition(".")
    dotted = f"{head}." if head else ""
    others = [f"{name}_{back}" for back in BACKWARD]
    for back, ahead in BACKWARD.items():
        start, found, end = last.rpartition(ahead)
        if found or last == "__call__":
            others.append(f"{dotted}{start}{back}{end}" if found else f"{dotted}{back}")
    for other in others:
        if callable(known(other)):
            return "backward", other
    for word, losses in _BESIDE.items():
        words = last.split("_")
        if word in words:
            for loss in losses:
                other = dotted + "_".join(filter(None, [loss if each == word else each for each in words]))
                if other != name and callable(known(other)):
                    return "loss", other
    return None


def forward_of(name: str, known: Collection[str]) -> str | None:
    """Return the forward function of a backward function, by its name.

    Args:
        name: name of the backward function: ``affine_backward``, ``batchnorm_backward_alt``.
        known: names of functions.
    """
    head, dot, last = name.rpartition(".")
    for back, ahead in BACKWARD.items() if is_backward(last) else ():
        start, found, end = last.rpartition(back)
        others = [f"{start}{ahead}{end}", f"{start}{ahead}", start.rstrip("_")] if found else []
        others += ["__call__"] if last == back else []
        for other in others:
            if other and f"{head}{dot}{other}" in known:
                return f"{head}{dot}{other}"
    return None


def is_backward(name: str) -> bool:
    """Whether a name is a backward function's; ``forward_backward`` computes both."""
    return any(back in name for back in BACKWARD) and not any(ahead in name for ahead in BACKWARD.values())


# Usual names of the adjoint that backward takes.
_ADJOINT = re.compile(r"^(?:d\w*|g|grad\w*|g_\w+|delta\w*|up\w*|err\w*|\w*_grad(?:ient)?|cotangent|v)$", re.I)
# The same for the last one, where a cache may be: `diff`, `dist` and the like are not adjoints.
_LAST_ADJOINT = re.compile(
    r"^(?:d(?!ata|e(?:lta$|nom)|i(?:ct|ff|m|st|v)|ots?$|rop|type)\w+|g[a-z]|grad(?:_|s?$)\w*|"
    r"\w+_grad(?:ient)?)$",
    re.I,
)

_BESIDE = {
    "gradient": ("loss", "cost", "objective", "", "f", "nll", "loglik", "log_likelihood"),
    "grad": ("loss", "cost", "objective", "", "f", "fun", "nll", "loglik", "log_likelihood"),
    "jac": ("fun", "loss", "cost"),
    "fprime": ("f", "func", "fun"),
    "prime": ("",),
    "derivative": ("",),
    "deriv": ("",),
    "score": ("loglik", "loglike", "log_likelihood", "loglikelihood", "log_lik", "logp", "ll"),
}


def _in_program(call: Any, like: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that belongs to the module of another."""
    inner, call = inspect.unwrap(like), inspect.unwrap(call)
    space = getattr(inner, "__globals__", {})
    made = types.FunctionType(
        call.__code__, space, getattr(inner, "__name__", "call"), None, call.__closure__
    )
    made.__module__ = str(getattr(like, "__module__", None))
    made.__qualname__ = getattr(like, "__qualname__", made.__name__)
    signature = _signature(like)
    if signature is not None:
        made.__signature__ = signature  # type: ignore[attr-defined]
    return made


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _code(function: Callable[..., Any]) -> types.CodeType | None:
    return getattr(inspect.unwrap(function), "__code__", None)


def _watched(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """Return a function's result, and its local variables at that moment."""
    known: dict[str, Any] = {}
    code = _code(function)

    def note(frame: types.FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            known.clear()
            known.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        out = function(*args, **kwargs)
    finally:
        if before is None or callable(before):
            sys.setprofile(before)
        else:
            before.enable()  # a profiler of cProfile
    return out, known


def _with_result(known: dict[str, Any], out: Any) -> dict[str, Any]:
    """Return a function's variables, with its result as ``out``, or its own ``out`` without a result.

    Numbers come first, so that a loss has the name of its variable, not its place in a list of all losses.
    """
    numbers = {name: thing for name, thing in known.items() if getattr(thing, "ndim", None) == 0}
    return {**numbers, **known} if out is None and "out" in known else {**numbers, **known, "out": out}


def _arguments(
    backward: Callable[..., Any],
    out: Any,
    signature: inspect.Signature | None,
    args: Any,
    kwargs: Any,
    seed: int,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the arguments of backward, the outputs whose adjoints it takes, and these adjoints.

    Backward gets copies: if it returns one, this is a gradient, not a value from which the loss was computed.
    """
    names, taken = required(backward), _signature(backward)
    owner = list(args[:1]) if names[:1] == ["self"] else []  # forward is an unbound method
    takes_none = taken is not None and len(taken.parameters) == len(owner)
    names = names[len(owner) :] or ([] if owner or takes_none else ["dout"])
    if not names:  # def backward(self, dout=1), or def backward(self) beside a loss
        is_loss = np.ndim(out) == 0
        if takes_none and not is_loss:
            raise NotJudged("backward takes no adjoint: name the function that returns the loss in its place")
        cotangents = [_cotangent(out, None if is_loss else np.random.default_rng([seed, 3]))]
        return owner if takes_none else [*owner, cotangents[0] + 0], [out], cotangents
    if any(role_of(name) == "labels" for name in names):
        raise NotJudged(
            f"backward takes {', '.join(names)}, which include labels, so it is not a function of only an "
            "adjoint: judge the function that calls it"
        )
    if not _ADJOINT.match(names[0]) and role_of(names[0]) == "inputs":
        raise NotJudged(f"backward takes {names[0]} first, where the adjoint of forward's output is expected")
    parts = list(out) if isinstance(out, tuple) else [out]
    bound: dict[str, Any] = {}
    if signature is not None:
        bound = dict(signature.bind(*args, **kwargs).arguments)
    if len(names) == len(parts):  # (dout, …, cache) for (out, …, cache)
        last = isinstance(out, tuple) and (len(parts) > 1 or not _is_floating(parts[0]))
        last = last and not (_is_floating(parts[-1]) and _LAST_ADJOINT.match(names[-1]))  # (dh, dc)
        outs = parts[:-1] if last else parts
        kept = parts[-1:] if last else []
    else:
        outs = [each for each in parts if _is_floating(each)][:1]
        rest = [each for each in parts if not any(each is one for one in outs)]
        kept = [bound[name] if name in bound else _unless(rest) for name in names[1:]]
    rng = np.random.default_rng([seed, 3])
    cotangents = [_cotangent(each, rng) for each in outs]
    return [*owner, *(each + 0 for each in cotangents), *kept], outs, cotangents


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the required parameters."""
    taken = _signature(function)
    return [
        each.name
        for each in ([] if taken is None else taken.parameters.values())
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]


def _stored(out: Any, args: Sequence[Any]) -> Any:
    """Return forward's result or, without one, the output that its object keeps."""
    if out is not None or not args:
        return out
    kept = getattr(args[0], "__dict__", {})
    return next((kept[name] for name in ("output", "outputs", "out") if name in kept), None)


def _cotangent(out: Any, rng: np.random.Generator | None) -> Any:
    """Return a random adjoint, or 1, that records if ``out`` does, because plain arrays' methods do not."""
    dtype = out.dtype if _is_floating(out) else np.dtype(float)
    if rng is None:
        return np.zeros_like(out, dtype=dtype) + 1
    return np.zeros_like(out, dtype=dtype) + rng.standard_normal(np.shape(out)).astype(dtype)


def _unless(rest: list[Any]) -> Any:
    if not rest:
        raise NotJudged("backward takes arguments that forward neither takes nor returns")
    return rest.pop(0)


def _is_floating(thing: Any) -> bool:
    return getattr(getattr(thing, "dtype", None), "kind", "") == "f"


def _weighed(outs: list[Any], cotangents: list[Any]) -> Any:
    total = np.sum(outs[0] * cotangents[0])
    for out, cotangent in zip(outs[1:], cotangents[1:], strict=True):
        total = total + np.sum(out * cotangent)
    return total
