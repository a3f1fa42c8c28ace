"""Calls of networks: functions of parameters, inputs and labels, and classes with their own parameters."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from autograd_ref.crosscheck.program.guessed.objects import Maker
from autograd_ref.crosscheck.program.guessed.roles import METHODS, numbered, role_of
from autograd_ref.crosscheck.program.guessed.styles import Sizes, Style, styles

__all__ = ["Guess", "network_calls"]

# Roles whose parameter may be a list with an array for each layer.
_LISTS = {"weights", "w", "ws", "thetas", "theta"}


class Guess(NamedTuple):
    """One way to call something.

    Attributes:
        name: name of the judged object.
        call: the expression that calls it, as for ``--call``.
    """

    name: str
    call: str


def network_calls(space: Any, name: str, sizes: Sizes, reg: float) -> Iterator[Guess]:
    """Yield calls of a network.

    Args:
        space: the module, or another object with the name.
        name: name of a function, a class or a method.
        sizes: sizes of the network.
        reg: strength of the penalty.

    Yields:
        Calls, the most usual first; most of them do not fit.
    """
    head, _, last = name.rpartition(".")
    thing = reduce(getattr, name.split("."), space)
    owner = reduce(getattr, head.split("."), space) if head else None
    if inspect.isclass(thing):
        for method in METHODS:
            if callable(getattr(thing, method, None)):
                yield from _of_class(Maker(space, thing, name, reg), method, sizes)
    elif inspect.isclass(owner):
        yield from _of_class(Maker(space, owner, head, reg), last, sizes)
    elif callable(thing):
        yield from _of_function(thing, name, sizes, reg)


# Functions.


def _of_function(function: Callable[..., Any], name: str, sizes: Sizes, reg: float) -> Iterator[Guess]:
    parameters = _parameters(function)
    if parameters is None:
        return
    roles = {each: role_of(each) for each in parameters}
    held = next((each for each, role in roles.items() if role == "parameters"), None)
    weights = numbered([each for each, role in roles.items() if role == "weight"])
    biases = numbered([each for each, role in roles.items() if role == "bias"])
    if held is not None and not weights:
        found = list(_held(function, held))
        for layers, apart, written in found:
            for style in styles(sizes, layers=layers, biases=apart):
                yield from _call(name, parameters, roles, style, reg, {held: written(style)})
        if found:
            return
        weights = [held]  # a single theta
    if not weights:
        return
    # With W and Y, a mean over all entries that is divided by the number of rows is seen only in matrices.
    are_matrices = all(each[0].isupper() for each in parameters if roles[each] in ("weight", "labels"))
    for style in styles(sizes, layers=2 if are_matrices else len(weights), biases=bool(biases)):
        texts = {each: style.weight(i, len(weights)) for i, each in enumerate(weights)}
        texts |= {each: style.bias_of(i, len(weights)) for i, each in enumerate(biases[: len(weights)])}
        yield from _call(name, parameters, roles, style, reg, texts)
    if len(weights) == 1 and weights[0].lower() in _LISTS and len(biases) < 2:
        for style in styles(sizes, layers=2, biases=bool(biases)):
            texts = {weights[0]: f"[{style.weight(0, 2)}, {style.weight(1, 2)}]"}
            texts |= {each: f"[{style.bias_of(0, 2)}, {style.bias_of(1, 2)}]" for each in biases}
            yield from _call(name, parameters, roles, style, reg, texts)


def _call(
    name: str,
    parameters: Mapping[str, inspect.Parameter],
    roles: Mapping[str, str],
    style: Style,
    reg: float,
    texts: Mapping[str, str],
    before: str = "",
) -> Iterator[Guess]:
    arguments = _arguments(parameters, roles, style, reg, texts)
    if arguments is not None:
        yield Guess(re.sub(r"^net\.", "", name), f"{before}{name}({', '.join(arguments)})")


def _arguments(
    parameters: Mapping[str, inspect.Parameter],
    roles: Mapping[str, str],
    style: Style,
    reg: float,
    texts: Mapping[str, str],
) -> list[str] | None:
    """Return the arguments in the brackets; None if the name of a parameter is not understood."""
    known = {
        "inputs": style.inputs,
        "labels": style.labels,
        "penalty": f"{reg:g}",
        "rate": "0.01",
        "count": str(style.classes),
        "epsilon": "1e-8",
    }
    found, skipped = [], False
    for name, each in parameters.items():
        text = texts.get(name) or known.get(roles[name])
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        optional = each.default is not each.empty
        wanted = roles[name] in ("inputs", "labels") or name in texts
        if optional and not wanted and not (roles[name] == "penalty" and not each.default):
            skipped = True
            continue
        if text is None:
            return None
        found.append(f"{name}={text}" if skipped or each.kind is each.KEYWORD_ONLY else text)
    return found


Held = tuple[int, bool, Callable[[Style], str]]


def _held(function: Callable[..., Any], name: str) -> Iterator[Held]:
    """Yield forms of a parameter that contains all others: layers, whether biases are separate, text."""
    own, around = _trees_of(function)
    unpacked = _unpacked(own, name)
    if unpacked:
        yield from _by_names(unpacked, lambda texts: f"[{', '.join(texts.values())}]")
        return
    if _in_pairs(own, name):
        yield 2, True, lambda style: "[" + ", ".join(
            f"({style.weight(i, 2)}, {style.bias_of(i, 2)})" for i in range(2)
        ) + "]"  # fmt: skip
        return
    is_array = name.lower() in ("theta", "weights")
    for tree in (own,) if is_array else (own, around):
        keys = [each for each in _keys(tree) if role_of(each) in ("weight", "bias")]
        found = list(_by_names(keys, _as_dict))
        if found:
            yield from found
            return
    if not is_array:
        yield from _by_names(["W1", "b1", "W2", "b2"], _as_dict)


def _as_dict(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": {text}' for key, text in texts.items()) + "}"


def _by_names(names: Sequence[str], written: Callable[[Mapping[str, str]], str]) -> Iterator[Held]:
    weights = numbered([each for each in names if role_of(each) == "weight"])
    biases = numbered([each for each in names if role_of(each) == "bias"])
    if not weights or len(weights) + len(biases) != len(names):
        return

    def text(style: Style) -> str:
        texts = {each: style.weight(i, len(weights)) for i, each in enumerate(weights)}
        texts |= {each: style.bias_of(i, len(weights)) for i, each in enumerate(biases)}
        return written({each: texts[each] for each in names})

    if len(biases) <= len(weights):
        yield len(weights), bool(biases), text


def _trees_of(function: Callable[..., Any]) -> tuple[ast.AST, ast.AST]:
    """Return the syntax trees of a function, and of its module."""
    trees: list[ast.AST] = []
    for thing in (function, inspect.getmodule(function)):
        try:
            trees.append(ast.parse(textwrap.dedent(inspect.getsource(thing))))  # type: ignore[arg-type]
        except (OSError, TypeError, SyntaxError):
            trees.append(ast.Module([], []))
    return trees[0], trees[1]


def _unpacked(tree: ast.AST, name: str) -> list[str]:
    """Return the names into which a parameter is unpacked: ``W1, b1, W2, b2 = params``."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Tuple | ast.List) and all(isinstance(e, ast.Name) for e in target.elts):
            return [each.id for each in target.elts if isinstance(each, ast.Name)]
    return []


def _in_pairs(tree: ast.AST, name: str) -> bool:
    """Whether a loop goes over a parameter in pairs: ``for i, (W, b) in enumerate(params)``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.For | ast.comprehension):
            continue
        walked, target = node.iter, node.target
        while isinstance(walked, ast.Call) and len(walked.args) == 1 and isinstance(walked.func, ast.Name):
            if walked.func.id == "enumerate" and isinstance(target, ast.Tuple):
                target = target.elts[-1]
            walked = walked.args[0]
        if isinstance(walked, ast.Name) and walked.id == name and isinstance(target, ast.Tuple):
            return len(target.elts) == 2
    return False


def _keys(tree: ast.AST) -> list[str]:
    """Return the keys by which arrays are read, in order."""
    read = [
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]
    # (params[k] for k in ("W1", "b1")) reads them, too.
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension) and isinstance(node.iter, ast.Tuple | ast.List):
            read += [
                e.value for e in node.iter.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)
            ]
    return list(dict.fromkeys(read))


# Classes.


def _of_class(maker: Maker, method: str, sizes: Sizes) -> Iterator[Guess]:
    parameters = _parameters(getattr(maker.cls, method))
    if parameters is None:
        return
    parameters = {each: found for i, (each, found) in enumerate(parameters.items()) if i}
    roles = {each: role_of(each) for each in parameters}
    if method == "forward" and not any(role == "inputs" for role in roles.values()) and roles:
        roles = {**roles, next(iter(roles)): "inputs"}
    if not maker.parameters:  # its inputs have the shape of its targets
        sizes = sizes._replace(D=sizes.C)
    for style in styles(sizes, layers=maker.layers, biases=maker.has_biases):
        before = maker.text(style)
        if before is not None:
            for guess in _call(f"net.{method}", parameters, roles, style, maker.reg, {}, before):
                yield guess._replace(name=f"{maker.name}.{method}")


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None
