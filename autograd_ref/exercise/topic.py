"""Read the topics from their files, which are the right programs, and blank out the steps."""

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["LANGUAGES", "Step", "Topic", "topic_called", "topics"]

LANGUAGES = ("en", "zh")
FOLDER = Path(__file__).parent / "topics"
_STEP = re.compile(r"^\s*# step (?P<name>\S+)$")


@dataclass(frozen=True)
class Step:
    """A step to fill in.

    Attributes:
        number: its number, from 1.
        name: the assigned variable, ``dW2`` or, in each pass of a loop, ``dh[t]``.
        of: the forward value whose adjoint it is, ``W2`` or ``h[t]``.
        shape: the shape of both, in the program's own sizes.
        does: a description of the step, by language.
        hints: the hints, by language; each gives more away than the one before.
        lines: the right lines.
    """

    number: int
    name: str
    of: str
    shape: str
    does: Mapping[str, str]
    hints: Mapping[str, tuple[str, ...]]
    lines: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The assigned variable, without an index."""
        return self.name.partition("[")[0]

    @property
    def solution(self) -> str:
        """The right lines, indented as in the function."""
        return "\n".join(self.lines)

    @property
    def blank(self) -> str:
        """The line for the student to fill in."""
        first = self.lines[0]
        indent = first[: len(first) - len(first.lstrip())]
        (statement, *more) = ast.parse("\n".join(each.strip() for each in self.lines)).body
        if more:
            return f"{indent}{self.name} = ..."
        if isinstance(statement, ast.AugAssign):
            sign = {ast.Add: "+", ast.Sub: "-"}[type(statement.op)]
            return f"{indent}{ast.unparse(statement.target)} {sign}= ..."
        if isinstance(statement, ast.Assign):
            return f"{indent}{ast.unparse(statement.targets[0])} = ..."
        raise ValueError(f"step {self.name} is not an assignment")


@dataclass(frozen=True)
class Topic:
    """A forward pass and its backward pass.

    Attributes:
        name: its name on the command line.
        rank: its position from easy to hard.
        title: its title, by language.
        teaches: what the student learns, by language.
        read: links, and names of this project's functions, to read afterwards.
        steps: the steps to fill in.
        code: the right program, without its docstring.
        function: the name of the judged function.
        scale: the scale of the example on which the finished program is timed.
    """

    name: str
    rank: int
    title: Mapping[str, str]
    teaches: Mapping[str, str]
    read: tuple[str, ...]
    steps: tuple[Step, ...]
    code: str
    function: str
    scale: int

    def unfilled(self, comments: Mapping[str, list[str]]) -> str:
        """Return the program with blank steps, each below its comment; ``comments`` has them by name."""
        found: list[str] = []
        inside = False
        for line in self.code.splitlines():
            mark = _STEP.match(line)
            if mark is not None:
                step = next(each for each in self.steps if each.name == mark["name"])
                indent = step.blank[: len(step.blank) - len(step.blank.lstrip())]
                found += [f"{indent}# {each}".rstrip() for each in comments[step.name]]
                found.append(step.blank)
            inside = (inside or mark is not None) and bool(line.strip())
            if not inside:
                found.append(line)
        return "\n".join(found) + "\n"


@cache
def topics() -> tuple[Topic, ...]:
    """Return all topics, from easy to hard."""
    files = [each for each in FOLDER.glob("*.py") if each.stem != "__init__"]
    return tuple(sorted((_read(each) for each in files), key=lambda topic: topic.rank))


def topic_called(name: str) -> Topic:
    """Return the topic with this name.

    Raises:
        ValueError: there is no such topic.
    """
    for topic in topics():
        if topic.name == name.replace("_", "-"):
            return topic
    known = ", ".join(topic.name for topic in topics())
    raise ValueError(f"there is no topic {name}; the topics are {known}")


def _read(file: Path) -> Topic:
    source = file.read_text(encoding="utf-8")
    tree = ast.parse(source)
    table = tomllib.loads(ast.get_docstring(tree, clean=False) or "")
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno or 0 :]).strip("\n") + "\n"
    lines = _solutions(code)
    if list(lines) != list(table["steps"]):
        raise ValueError(f"{file.name}: the docstring has {list(table['steps'])}, the code {list(lines)}")
    steps = [
        _step(number, name, table["steps"][name], lines[name]) for number, name in enumerate(lines, start=1)
    ]
    return Topic(
        file.stem.replace("_", "-"),
        table["rank"],
        {language: table[language]["title"] for language in LANGUAGES},
        {language: table[language]["teaches"] for language in LANGUAGES},
        tuple(table["read"]),
        tuple(steps),
        code,
        next(each.name for each in tree.body if isinstance(each, ast.FunctionDef)),
        table["scale"],
    )


def _step(number: int, name: str, table: Mapping[str, Any], lines: tuple[str, ...]) -> Step:
    hints = {language: tuple(table["hints"][language]) for language in LANGUAGES}
    does = {language: table[language] for language in LANGUAGES}
    return Step(number, name, table["of"], table["shape"], does, hints, lines)


def _solutions(code: str) -> dict[str, tuple[str, ...]]:
    """Return the lines of each step; a blank line ends a step."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in code.splitlines():
        mark = _STEP.match(line)
        if mark is not None:
            current = found[mark["name"]] = []
        elif not line.strip():
            current = None
        elif current is not None:
            current.append(line)
    return {name: tuple(lines) for name, lines in found.items()}
