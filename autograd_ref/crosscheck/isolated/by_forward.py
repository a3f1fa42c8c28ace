"""Judge a backward function, which has no call of its own, by a call of its forward function."""

import ast
from typing import Any

from autograd_ref.crosscheck.program.calling.forms import forward_of, is_backward

__all__ = ["by_forward"]


def by_forward(request: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a request for the forward function if the target is a backward function, or else the request.

    Args:
        request: the request.
        source: source of the target's file.
    """
    where, _, name = request["target"].rpartition(":")
    recorded = request["recorded"]
    if not is_backward(name) or request["reference"] or recorded["backward"] or recorded["loss"]:
        return request
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return request
    known = {each.name for each in body if isinstance(each, ast.FunctionDef)}
    for each in body:
        if isinstance(each, ast.ClassDef):
            known |= {f"{each.name}.{part.name}" for part in each.body if isinstance(part, ast.FunctionDef)}
    forward = forward_of(name, known) if name in known else None
    if forward is None:
        return request
    return {**request, "target": f"{where}:{forward}", "recorded": {**recorded, "backward": name}}
