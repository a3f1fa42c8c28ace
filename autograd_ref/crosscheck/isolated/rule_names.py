"""Find the rules that a source defines, without running it."""

import ast
from collections.abc import Iterator

__all__ = ["functions_in", "jax_rules_in", "parts_of_rules"]

RULES = {"custom_vjp", "custom_jvp", "custom_gradient"}
DEFINES = {"defvjp", "defjvp", "defjvps", "def_vmap"}


def jax_rules_in(tree: ast.Module) -> list[str]:
    """Return the names that a module gives to rules of JAX, by a decorator or an assignment."""
    return [name for node in tree.body for name in _jax_rules(node)]


def functions_in(tree: ast.Module) -> dict[str, str]:
    """Return a module's subclasses of `torch.autograd.Function`, by their names and aliases of ``apply``."""
    found: dict[str, str] = {}
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    if "Function" in own or not any(map(_imports_torch, ast.walk(tree))):
        return found  # other libraries have a class Function, too
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_last(base) == "Function" for base in node.bases):
            found[node.name] = node.name
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            owner = found.get(ast.unparse(node.value.value))
            if owner is not None and node.value.attr == "apply":
                found |= {each.id: owner for each in node.targets if isinstance(each, ast.Name)}
    return found


def parts_of_rules(tree: ast.Module) -> set[str]:
    """Return the functions that JAX calls for a rule: what is given to defvjp, defjvp and their like."""
    parts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DEFINES:
            parts |= {each.id for each in node.args if isinstance(each, ast.Name)}
        if isinstance(node, ast.FunctionDef):
            given = [each for each in node.decorator_list if isinstance(each, ast.Attribute)]
            parts |= {node.name for each in given if each.attr in DEFINES}
    return parts


def _imports_torch(node: ast.AST) -> bool:
    names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return any(name.partition(".")[0] == "torch" for name in names)


def _jax_rules(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef) and any(_makes_rule(each) for each in node.decorator_list):
        yield node.name
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _makes_rule(node.value.func):
        yield from (each.id for each in node.targets if isinstance(each, ast.Name))


def _makes_rule(made: ast.expr) -> bool:
    """Whether an expression is custom_vjp or its like, or ``partial(custom_vjp, ...)``."""
    if not isinstance(made, ast.Call):
        return _last(made) in RULES
    return _makes_rule(made.func) or any(_last(each) in RULES for each in made.args)


def _last(expression: ast.expr) -> str:
    return ast.unparse(expression).rpartition(".")[2]
