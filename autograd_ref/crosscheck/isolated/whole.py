"""Find functions and classes to judge in a file or folder, from the source, without running it."""

import ast
from pathlib import Path

from autograd_ref.crosscheck.isolated.source import source_of
from autograd_ref.crosscheck.program.guessed.roles import METHODS, TRAINING, role_of
from autograd_ref.crosscheck.program.paths import cores

__all__ = [
    "NOTHING",
    "TAKES_GRADIENTS",
    "files_of",
    "is_unclear",
    "methods_in",
    "names_in",
    "takers_of_gradients",
]

NOTHING = (
    "has no function that can be called, no class with a loss and no loop that trains when it is imported"
)

TAKES_GRADIENTS = "it takes a gradient and computes none, so there is nothing to judge"

_NOT_SOURCE = {"build", "dist", "env", "node_modules", "site-packages", "venv", "__pycache__"}

RULES = {"custom_vjp", "custom_jvp", "custom_gradient"}
DEFINES = {"defvjp", "defjvp", "defjvps", "def_vmap"}


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

    Rules of JAX that are assigned count. The other half of a forward function, the parts of a rule, examples,
    tests and private names are left out.
    """
    try:
        tree = ast.parse(source_of(Path(file)))
    except (OSError, SyntaxError, ValueError):
        return {}  # its import gives the reason
    functions = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)]
    parts = _parts_of_rules(tree)
    names = {
        name: [name]
        for name in [*functions, *_assigned_rules(tree)]
        if not (
            name in parts
            or name.startswith(("_", "example", "test"))
            or name == "main"
            or name.endswith("_backward")
            or ("backward" in name and name.replace("backward", "forward") in functions)
        )
    }
    for each in tree.body:
        if isinstance(each, ast.ClassDef) and not each.name.startswith(("_", "Test")):
            methods = [part.name for part in each.body if isinstance(part, ast.FunctionDef)]
            called = [f"{each.name}.{name}" for name in methods if name in (*METHODS, *TRAINING)]
            if called:
                names[each.name] = called
    return names


def _parts_of_rules(tree: ast.Module) -> set[str]:
    """Return the functions that JAX calls for a rule: what is given to defvjp, defjvp and their like."""
    parts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DEFINES:
            parts |= {each.id for each in node.args if isinstance(each, ast.Name)}
        if isinstance(node, ast.FunctionDef):
            given = [each for each in node.decorator_list if isinstance(each, ast.Attribute)]
            parts |= {node.name for each in given if each.attr in DEFINES}
    return parts


def _assigned_rules(tree: ast.Module) -> list[str]:
    """Return the names to which a module assigns the result of custom_vjp, custom_jvp or custom_gradient."""
    found = []
    for each in tree.body:
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call):
            made = ast.unparse(each.value.func).rpartition(".")[2] in RULES
            found += [target.id for target in each.targets if made and isinstance(target, ast.Name)]
    return found


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
        if isinstance(part, ast.FunctionDef)
        and not part.name.startswith("__")
        and "backward" not in part.name
    ]


def is_unclear(error: str) -> bool:
    """Whether a function computes gradients, and cannot be judged until the user says what is meant."""
    return " but wrong as " in error or ": say which, --of " in error


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
        if gradients and weights and "backward" not in name:
            found.add(name)
    return found
