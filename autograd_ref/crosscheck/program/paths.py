"""Names in the paths of arrays in the code: ``self.params['W1']``, ``return[1][0]``."""

import re
from typing import NamedTuple

__all__ = ["Name", "cores", "holder", "is_of_gradients", "of_path", "short_name", "shown"]

_PART = re.compile(r"""^(?P<root>\w+)|\.(?P<attribute>\w+)|\['(?P<key>[^']*)'\]|\[(?P<index>-?\d+)\]""")
_BEFORE = re.compile(
    r"^(?:d(?:l|loss|j|cost|e)_?/?d_?|grads?(?:ients?)?_?(?:of_|wrt_)?|nabla_?|delta_?|d_?|g_)(?=.)",
    re.IGNORECASE,
)
_AFTER = re.compile(r"(?:_?grads?(?:ients?)?|_nabla|_delta|_d)$", re.IGNORECASE)
# D and G are a discriminator and a generator.
_GRADIENTS = re.compile(
    r"^(?:\w*grad\w*|nabla\w*|d_?(?:params|weights|theta)|deltas?|(?-i:[dg]))$", re.IGNORECASE
)

# Attributes in which tensors written by hand hold their arrays.
_HOLDS = {"data", "value", "val", "array", "arr"}


class Name(NamedTuple):
    """The last name in a path.

    Attributes:
        owner: the path before it.
        name: the name.
        at: the positions in lists that follow it.
        is_key: whether it is a key or an attribute, not a variable.
    """

    owner: str
    name: str
    at: tuple[int, ...]
    is_key: bool


def of_path(path: str) -> Name:
    """Return the last name in a path."""
    owner, name, index, is_key, end = "", path, list[int](), False, 0
    for part in _PART.finditer(path):
        if part["index"] is not None:
            index.append(int(part["index"]))
        else:
            found = part["root"] or part["attribute"] or part["key"] or ""
            owner, name, index, is_key = path[: part.start()], found, [], part["root"] is None
        end = part.end()
    return Name(owner, name, tuple(index), is_key) if end == len(path) else Name("", path, (), False)


def cores(name: str) -> list[str]:
    """Return the names in a gradient's name: W for ``dW``, ``grad_W``, ``W_grad``, ``nabla_W``."""
    found = [rest for rest in (_BEFORE.sub("", name), _AFTER.sub("", name)) if rest and rest != name]
    if name[:1] == "d" and len(name) > 1 and name[1:] not in found:
        found.append(name[1:].lstrip("_") or name[1:])
    return found


def holder(path: str) -> str:
    """Return the path of the object whose attribute holds an array, `loss` for ``loss.data``, or the path."""
    name = of_path(path)
    return name.owner if name.owner and name.name in _HOLDS and not name.at else path


def is_of_gradients(path: str) -> bool:
    """Whether a name on a path says that it contains gradients: ``self.grads['W1']``."""
    names = [part["root"] or part["attribute"] or part["key"] for part in _PART.finditer(path)]
    return any(_GRADIENTS.match(name) for name in names if name)


def short_name(path: str) -> str:
    """Return the name of a leaf without the common part of all paths: ``W1`` for ``self.params['W1']``."""
    rest = re.sub(r"^self\.(?=\w)", "", path)
    while (
        shorter := re.match(r"^\w+(?:\.(?P<rest>\w.*)|\['(?P<key>[^']+)'\](?P<more>.*))$", rest)
    ) is not None:
        if shorter["rest"] is not None and shorter["rest"].isidentifier() and not rest[0].isupper():
            break  # an object's attribute keeps the object's name
        rest = shorter["rest"] if shorter["rest"] is not None else shorter["key"] + shorter["more"]
    return rest


def shown(path: str) -> str:
    """Return a path in the usual notation."""
    return re.sub(r"\['([^'\"]*)'\]", r'["\1"]', path)
