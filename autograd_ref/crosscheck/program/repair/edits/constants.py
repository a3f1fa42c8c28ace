"""A wrong number, or an index or bound that is off by one."""

import ast
from collections.abc import Iterator

from autograd_ref.crosscheck.program.repair.site import ATOM, SUM, UNARY, Edit, Expression, Site
from autograd_ref.crosscheck.program.repair.source import Change

__all__ = ["constants", "indices"]

LIMITS = ("maximum", "minimum", "fmax", "fmin", "clip")


def constants(site: Site) -> Iterator[Edit]:
    """Yield edits to other numbers: plus or minus one, double, half, opposite."""
    for each in site.expressions:
        node = each.node
        number = _number(node)
        if number is None or isinstance(each.parent, ast.UnaryOp) or _is_axis(each):
            continue
        known = site.text(node)
        if isinstance(number, bool):
            yield Edit((site.replaced(each, str(not number)),), f"{not number} belongs there, not {known}", 2)
            continue
        for cost, text in _near(number):
            holds = UNARY if text.startswith("-") else ATOM
            parent = each.parent
            is_factor = isinstance(parent, ast.BinOp) and (
                isinstance(parent.op, ast.Mult) or (isinstance(parent.op, ast.Div) and node is parent.right)
            )
            is_zero = text in ("0", "0.0")
            if _is_limit(each) and not is_zero:
                continue  # a limit that no entry reaches would look right
            cost += 3 * (is_factor and (is_zero or text in ("1", "1.0")))
            if isinstance(parent, ast.Compare):  # a mask or a guard, which most often compares with 0
                cost = 0 if is_zero else cost + 2
            yield Edit((site.replaced(each, text, holds),), f"{text} belongs there, not {known}", cost)


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None or isinstance(inner, bool) else -inner
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else None


def _near(number: float) -> Iterator[tuple[int, str]]:
    """Yield numbers that may have been meant, with how unusual each mistake is."""
    seen = {number}
    usual = [2.0, 0.5, 1.0, 0.0, -1.0, 4.0, 3.0]
    first = [number * 2, number / 2, -number]
    if isinstance(number, int):
        first = [number + 1, number - 1, *first]
    more = [
        1 - number,
        number + 1,
        number - 1,
        10 * number,
        number / 10,
        *usual,
        number * 4,
        number / 4,
        number * 3,
    ]
    for cost, some in ((1, first), (3, more)):
        for each in some:
            if each not in seen:
                seen.add(each)
                is_whole = float(each).is_integer() and isinstance(number, int)
                short = float(f"{each:.12g}")  # 0.3 for 3 times 0.1
                exact = short if abs(short - each) <= 4e-16 * abs(each) else each
                yield cost, str(int(each)) if is_whole else repr(exact)


def _is_limit(each: Expression) -> bool:
    return isinstance(each.parent, ast.Call) and ast.unparse(each.parent.func).endswith(LIMITS)


def _is_axis(each: Expression) -> bool:
    return isinstance(each.parent, ast.keyword) and each.parent.arg in ("axis", "keepdims")


def indices(site: Site) -> Iterator[Edit]:
    """Yield edits of an index, slice bound or range end that is off by one, missing or superfluous."""
    yield from _elsewhere(site)
    for each in site.expressions:
        node, parent = each
        if isinstance(node, ast.Slice):
            yield from _bounds(site, node, each)
        elif (
            isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "range" and node in parent.args
        ):
            yield from _by_one(site, each)
        elif (isinstance(parent, ast.Subscript) and node is parent.slice) or (isinstance(parent, ast.Slice)):
            if not isinstance(node, ast.Tuple | ast.Slice | ast.Constant):
                yield from _by_one(site, each)
        elif isinstance(parent, ast.Tuple) and isinstance(node, ast.Name | ast.BinOp):
            yield from _by_one(site, each)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "reversed" and len(node.args) == 1:
            yield Edit((site.replaced(each, site.text(node.args[0])),), "the loop does not run backwards", 2)
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", "") == "range"
            and isinstance(site.node, ast.For)
        ):
            yield Edit(
                (site.replaced(each, f"reversed({site.text(node)})"),), "the loop has to run backwards", 2
            )


def _elsewhere(site: Site) -> Iterator[Edit]:
    """Yield edits to an index at which the function reads or writes another array."""
    targets = getattr(site.node, "targets", [getattr(site.node, "target", None)])
    for node in (*targets, *(each.node for each in site.expressions)):
        if not isinstance(node, ast.Subscript) or isinstance(node.slice, ast.Constant):
            continue
        (start, end), base = site.source.span(node), site.text(node.value)
        for at in site.indices:
            new = f"{base}{at}"
            if new != site.text(node) and site.scope.value(new) is not None:
                yield Edit((Change(start, end, new),), f"the index {at} belongs there", 3)


def _by_one(site: Site, each: Expression) -> Iterator[Edit]:
    node = each.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) and _number(node.right) == 1:
        return  # other edits drop the operand and change the sign
    value = site.value(node)
    if isinstance(value, int) or _number(node) is not None:
        for sign in "+-":
            yield Edit(
                (site.replaced(each, f"{site.text(node, SUM)} {sign} 1", SUM),), "the index is off by one", 2
            )


def _bounds(site: Site, node: ast.Slice, each: Expression) -> Iterator[Edit]:
    lower = site.text(node.lower) if node.lower else ""
    upper = site.text(node.upper) if node.upper else ""
    step = f":{site.text(node.step)}" if node.step else ""
    for low in dict.fromkeys((lower, "", "1")):
        for high in dict.fromkeys((upper, "", "-1")):
            if (low, high) != (lower, upper):
                yield Edit(
                    (site.replaced(each, f"{low}:{high}{step}"),), "the bounds of the slice are wrong", 2
                )
    if (node.lower and not node.upper) or (node.upper and not node.lower):
        yield Edit((site.replaced(each, f"{upper}:{lower}{step}"),), "the bounds of the slice are wrong", 2)
    if node.step:
        yield Edit((site.replaced(each, f"{lower}:{upper}"),), "the step of the slice is wrong", 2)
    else:
        yield Edit((site.replaced(each, f"{lower}:{upper}:-1"),), "the step of the slice is wrong", 3)
