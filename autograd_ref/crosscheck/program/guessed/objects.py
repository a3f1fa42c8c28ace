"""Expressions that create an object of a user's class, with sizes and arrays that show every mistake."""

import inspect
import re
from functools import cached_property
from typing import Any

import numpy as np

from autograd_ref.crosscheck.program.guessed.roles import TRAINED, is_size, is_sizes, numbered, role_of
from autograd_ref.crosscheck.program.guessed.styles import Style

__all__ = ["Maker"]


class Maker:
    """Creates objects of one class, in any style."""

    def __init__(self, space: Any, cls: type, name: str, reg: float):
        """Take the class.

        Args:
            space: the module, or another object with the name.
            cls: the class.
            name: name of the class.
            reg: strength of the penalty.
        """
        self.space, self.cls, self.name, self.reg = space, cls, name, reg
        self._made: dict[Any, str | None] = {}

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The constructor's parameters."""
        try:
            found = inspect.signature(self.cls).parameters
        except (TypeError, ValueError):
            return {}
        return {
            name: each
            for name, each in found.items()
            if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        }

    @property
    def weights(self) -> list[str]:
        """The parameters that are weights."""
        named = [each for each in self._required if role_of(each) in ("weight", "parameters")]
        return numbered([each for each in named if not is_size(each)])

    @property
    def biases(self) -> list[str]:
        """The parameters that are biases."""
        return numbered([each for each in self._required if role_of(each) == "bias"])

    @property
    def layers(self) -> int:
        """The number of layers for which it takes weights, or leaves them None; 2 if it creates its own."""
        return len(self.weights) or len([each for each in self.unset if role_of(each) == "weight"]) or 2

    @property
    def has_biases(self) -> bool:
        """Whether it takes biases."""
        return bool(self.biases) or any(role_of(each) == "bias" for each in self.unset)

    @cached_property
    def unset(self) -> list[str]:
        """The weights and biases that the constructor leaves None."""
        if any(_says_size(each) for each in self._required):
            return []
        net = self._made_by(f"{self.name}({', '.join(map(_usual, self._required))})")
        names = [key for key, each in getattr(net, "__dict__", {}).items() if each is None]
        return numbered([each for each in names if role_of(each) in ("weight", "bias")])

    def text(self, style: Style) -> str | None:
        """Return the statements that create `net`; None if the constructor fails."""
        is_given = bool(self.weights or self.unset)
        key = style if is_given else (style.classes, style.columns)
        if not is_given and (style.bias != "flat" or not style.classes):
            return None
        if key not in self._made:
            self._made[key] = self._text(style)
        return self._made[key]

    @property
    def _required(self) -> list[str]:
        return [name for name, each in self.parameters.items() if each.default is each.empty]

    def _text(self, style: Style) -> str | None:
        text = f"{self.name}({self._arguments(style)})"
        net = self._made_by(text)
        if net is None:
            return None
        drawn = "" if self.weights else _own_arrays(net)
        moved = f"for p in {drawn}: p[...] = 0.5 * rng.standard_normal(p.shape)\n" if drawn else ""
        for role, shape in (("weight", style.weight), ("bias", style.bias_of)):
            for i, each in enumerate(each for each in self.unset if role_of(each) == role):
                moved += f"net.{each} = {shape(i, self.layers)}\n"
        return f"net = {text}\n{moved}"

    def _made_by(self, text: str) -> Any:
        """Return the object of an expression; None if the constructor fails."""
        known = vars(self.space) | {"np": np, "rng": np.random.default_rng(0)}
        try:
            return eval(text, known)  # noqa: S307 - the class is the user's own, as is the file
        except Exception:
            return None

    def _arguments(self, style: Style) -> str:
        """Return the arguments of the constructor."""
        every = style.all_sizes(2)
        sized = [
            each
            for each in self._required
            if is_sizes(each) is None and _says_size(each) and each not in (*self.weights, *self.biases)
        ]
        known = dict(zip(sized, map(str, style.all_sizes(max(len(sized) - 1, 1))), strict=False))
        known |= {each: style.weight(i, self.layers) for i, each in enumerate(self.weights)}
        known |= {each: style.bias_of(i, self.layers) for i, each in enumerate(self.biases[: self.layers])}
        found: list[str] = []
        for position, (name, each) in enumerate(self.parameters.items()):
            named, which, listed = name not in self._required, is_size(name), is_sizes(name)
            if listed is not None and (not named or isinstance(each.default, list | tuple)):
                text = str(every if listed == "all" else every[1:-1])
            elif name in known:
                text = known[name]
            elif named and type(each.default) is int and which in ("input", "hidden", "output"):
                text = str({"input": every[0], "hidden": every[1], "output": every[-1]}[which])
            elif name == "dtype":
                text = "np.float64"
            elif role_of(name) == "penalty" and (not named or each.default == 0):
                text = f"{self.reg:g}"
            elif named:
                continue
            else:
                text = _usual(name)
            found.append(f"{name}={text}" if named or len(found) < position else text)
        return ", ".join(found)


def _own_arrays(net: Any) -> str:
    """Return an expression for the arrays that an object created itself; empty if there are none."""
    params = getattr(net, "params", None)
    if isinstance(params, dict) and params and all(_is_floating(each) for each in params.values()):
        return "net.params.values()"
    own = [
        key
        for key, each in getattr(net, "__dict__", {}).items()
        if _is_floating(each) and np.ndim(each) and role_of(key) in TRAINED
    ]
    return f"({', '.join(f'net.{key}' for key in own)},)" if own else ""


def _usual(name: str) -> str:
    """Return the argument for a parameter that is neither a size nor an array, by its name."""
    low = name.lower()
    for words, text in (
        (r"^rng$|random_?state|generator", "rng"),
        (r"seed", "0"),
        (r"activation|nonlin", '"relu"'),
    ):
        if re.search(words, low):
            return text
    return "0.01" if role_of(name) == "rate" else "0.5"


def _says_size(name: str) -> bool:
    return role_of(name) not in ("rate", "penalty", "epsilon") and not re.search(
        r"std|scale|seed|rng|random_?state|generator|dtype|activation|nonlin|momentum|drop", name.lower()
    )


def _is_floating(thing: Any) -> bool:
    return isinstance(thing, np.ndarray) and thing.dtype.kind == "f"
