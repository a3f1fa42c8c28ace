"""Find functions and classes to judge in a file or folder, from the source, without running it."""

import ast
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeGuard

from autograd_ref.crosscheck.isolated.rule_names import functions_in, jax_rules_in, parts_of_rules
from autograd_ref.crosscheck.isolated.source import source_of
from autograd_ref.crosscheck.program.calling.forms import forward_of, is_backward
from autograd_ref.crosscheck.program.guessed.roles import METHODS, TRAINING, role_of
from autograd_ref.crosscheck.program.paths import cores, is_of_gradients

__all__ = [
    "NOTHING",
    "TAKES_GRADIENTS",
    "files_of",
    "is_unclear",
    "makers_of_gradients",
    "methods_in",
    "names_in",
    "takers_of_gradients",
]

NOTHING = (
    "has no function that can be called, no class with a loss and no loop that trains when it is imported"
)

TAKES_GRADIENTS = "it takes a gradient and computes none, so there is nothing to judge"

# Why functions that may compute gradients are not judged.
NOT_RECORDED = re.compile(
    "cannot be recorded: |left the tape|this checker computes an operation differently|error in this checker"
    "|is held constant"
)

_NO_MAKER = re.compile("num|check|clip|eval|test|approx|diff|update|zero", re.IGNORECASE)

_NOT_SOURCE = {"build", "dist", "env", "node_modules", "site-packages", "venv", "__pycache__"}


def files_of(target: str) -> list[str] | None:
    """Return the files of a target without a name: itself, or all in a folder; None for any other target."""
    path = Path(target)
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.suffix in (".py", ".ipynb"))
        inside = [each.relative_to(path).parts for each in found]
        return [
            str(each)
            for each, parts in zip(found, inside, strict=True)
            if not any(part in _NOT_SOURCE or part.startswith(".") for part in parts)
        ]
    return [target] if path.suffix in (".py", ".ipynb") and path.is_file() else None


def names_in(file: str) -> dict[str, list[str]]:
    """Return the functions and classes of a file, each with the names by which the file may call it.

    Rules of JAX and of PyTorch count. The other half of a forward function, the parts of a rule, examples,
    tests and private names are left out.
    """
    try:
        tree = ast.parse(source_of(Path(file)))
    except (OSError, SyntaxError, ValueError):
        return {}  # its import gives the reason
    functions = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
    parts = parts_of_rules(tree)
    classes = functions_in(tree).values()
    names = {
        name: [name]
        for name in dict.fromkeys([*functions, *jax_rules_in(tree), *classes])
        if not (
            name in parts
            or name.startswith(("_", "example", "test"))
            or name == "main"
            or forward_of(name, functions) is not None
        )
    }
    for each in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        if each.name not in names and not each.name.startswith(("_", "Test")):
            methods = [part.name for part in each.body if isinstance(part, ast.FunctionDef)]
            called = [f"{each.name}.{name}" for name in methods if name in (*METHODS, *TRAINING)]
            if called:
                names[each.name] = called
    return names


def methods_in(source: str) -> list[str]:
    """Return the methods of a source's classes that may be judged if the program calls them."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    return [
        f"{each.name}.{part.name}"
        for each in body
        if isinstance(each, ast.ClassDef)
        for part in each.body
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("__") and not is_backward(part.name)
    ]


def is_unclear(error: str) -> bool:
    """Whether a function computes gradients, and cannot be judged until the user says what is meant."""
    return any(
        each in error
        for each in (" but wrong as ", ": say which, --of ", ": say what is meant, --loss ", "several losses")
    )


def makers_of_gradients(source: str, judged: Collection[str] = ()) -> set[str]:
    """Return the functions of a source that return a gradient which they compute, by its name.

    Functions that check, clip or approximate gradients are left out.

    Args:
        source: the source of a file.
        judged: functions, methods and lines of loops that were judged; what they call was judged with them.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return set()
    found = set()
    for each in (node for node in body if isinstance(node, ast.FunctionDef)):
        names = [node for node in ast.walk(each) if isinstance(node, ast.Name)]
        made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known = {node.id for node in names} | {arg.arg for arg in each.args.args}
        returned = {
            node.id
            for back in ast.walk(each)
            if isinstance(back, ast.Return)
            for node in _elements(back.value)
            if isinstance(node, ast.Name)
        }
        gradients = [
            name
            for name in returned & made
            if len(name) > 1 and (is_of_gradients(name) or known.intersection(cores(name)))
        ]
        if gradients and not _NO_MAKER.search(each.name):
            found.add(each.name)
    heads = {each.rpartition(".")[2] for each in judged}
    for node in ast.walk(ast.Module(body, [])):
        if getattr(node, "name", None) in heads or str(getattr(node, "lineno", "")) in heads:
            found -= {part.func.id for part in ast.walk(node) if _is_plain_call(part)} - heads
    return found


def _is_plain_call(node: ast.AST) -> TypeGuard[Any]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _elements(value: ast.expr | None) -> list[ast.expr | None]:
    match value:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Dict(values=parts):
            return [each for part in parts for each in _elements(part)]
    return [value]


def takers_of_gradients(source: str) -> set[str]:
    """Return the functions of a source that take parameters and their gradients: update rules."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return set()
    functions = {each.name: each.args.args for each in body if isinstance(each, ast.FunctionDef)}
    found = set()
    for name, arguments in functions.items():
        taken = {each.arg for each in arguments}
        gradients = {each for each in taken if taken.intersection(cores(each)) or each in ("grad", "grads")}
        weights = {each for each in taken if role_of(each) in ("weight", "parameters")}
        if gradients and weights and not is_backward(name):
            found.add(name)
    return found
