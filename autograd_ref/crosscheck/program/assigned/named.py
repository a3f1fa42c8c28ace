"""Tell from names to which array a gradient belongs."""

from autograd_ref.crosscheck.program.assigned.gradients import Candidate
from autograd_ref.crosscheck.program.assigned.moved import is_moved
from autograd_ref.crosscheck.program.paths import cores, holder, is_of_gradients, of_path
from autograd_ref.recording import Leaf

__all__ = ["TIERS", "closest", "in_other_case"]


def _wanted(each: Candidate) -> list[str]:
    """Return the names to which a candidate's name refers; among gradients, a bare name counts, too."""
    found, name = cores(each.name.name), each.name.name
    is_part = holder(each.path) != each.path or "grad" in name.lower()  # of a parameter g: g.value, g.grad
    is_bare = each.name.is_key and is_of_gradients(each.name.owner) and not is_part
    return [*found, name] if is_bare else found


def _exactly(each: Candidate, leaf: Leaf) -> bool:
    return of_path(leaf.path).name in _wanted(each)


def in_other_case(each: Candidate, leaf: Leaf) -> bool:
    """Whether a name is a gradient of the leaf by its name, in upper or lower case."""
    return of_path(leaf.path).name.lower() in [name.lower() for name in _wanted(each)]


def _by_bare_name(each: Candidate, leaf: Leaf) -> bool:
    """Whether a returned ``{"W": ...}`` matches a leaf, and is not the moved parameter itself."""
    is_named = each.name.is_key and each.name.name.lower() == of_path(leaf.path).name.lower()
    return is_named and each.is_returned and not is_moved(each.value, leaf.value)


def _abbreviated(each: Candidate, leaf: Leaf) -> bool:
    """Whether a name is abbreviated: ``nabla_w`` for ``weights``, ``grad_center`` for ``center_vectors``."""
    name = of_path(leaf.path).name.lower()
    wanted = [core.lower() for core in _wanted(each)]
    if each.name.is_key and each.is_returned:
        wanted.append(each.name.name.lower())
    return each.array.shape == leaf.array.shape and any(
        name.startswith(core) and not core[-1].isdigit() for core in wanted
    )


def _after_g(each: Candidate, leaf: Leaf) -> bool:
    """Whether a name is a leaf's name after a g: ``gw1`` for ``w1``."""
    wanted = f"g{of_path(leaf.path).name}".lower()
    return each.array.shape == leaf.array.shape and each.name.name.lower() == wanted


def _in_same_object(each: Candidate, leaf: Leaf) -> bool:
    """Whether one object holds both, as tensors written by hand do: ``p.grad`` for ``p.data``."""
    return each.name.is_key and is_of_gradients(each.name.name) and each.name.owner == holder(leaf.path)


def closest(each: Candidate, leaves: list[Leaf]) -> Leaf | None:
    """Return, of leaves with the same name, the one at the same place of its list, in the nearest object."""
    if len(leaves) > 1:
        leaves = [leaf for leaf in leaves if of_path(leaf.path).at == each.name.at]
    if len(leaves) > 1:
        near = [_nearness(each.name.owner, of_path(leaf.path).owner) for leaf in leaves]
        leaves = [leaf for leaf, one in zip(leaves, near, strict=True) if one == max(near) > (False, 0)]
    if len(leaves) == 1 and (of_path(leaves[0].path).at == each.name.at or not each.name.at):
        return leaves[0]
    return None


def _nearness(one: str, other: str) -> tuple[bool, int]:
    """Return whether two paths are equal, and the length of their common beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return one == other, next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


# The ways in which a name refers to an array, the surest first.
TIERS = (_exactly, in_other_case, _by_bare_name, _abbreviated, _after_g, _in_same_object)
