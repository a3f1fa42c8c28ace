"""Write results: JSON, pictures and tables to a folder, and tables to the terminal."""

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from rich.console import Console
from rich.table import Table as RichTable

from handgrad.files import make_directory, replace_file
from handgrad.progress import ProgressBar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parent / "results"

DIGITS = 7  # significant ones, of every number in a JSON file
WIDE = 170  # characters

T = TypeVar("T")


class Table(NamedTuple):
    """A table with the text of every cell; all columns but the first are numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    """A picture in the folder of the results, and the sentence that describes it."""

    file: str
    caption: str


Part = Table | Picture | str  # text is a paragraph


def publish(name: str, parts: Sequence[Part], out: Path) -> None:
    """Print the parts, and write them as Markdown to ``name.md`` in the folder."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)  # a table in a file needs no folding
    for part in parts:
        if isinstance(part, Table):
            table = RichTable(title=part.title, title_justify="left", box=None, padding=(0, 2, 0, 0))
            for number, heading in enumerate(part.head):
                justify: Literal["left", "right"] = "left" if number == 0 else "right"
                table.add_column(heading, justify=justify, no_wrap=number == 0, overflow="fold")
            for row in part.rows:
                table.add_row(*row)
            console.print(table, "")
        else:
            text = f"{out / part.file}: {part.caption}" if isinstance(part, Picture) else part
            console.print(text, "", highlight=False, markup=False, soft_wrap=True, sep="\n")
    write_text(out / f"{name}.md", f"# {name.capitalize()}\n\n{as_markdown(parts)}\n")


def as_markdown(parts: Iterable[Part]) -> str:
    """Return the parts as Markdown, for a file beside the pictures."""
    texts = []
    for part in parts:
        if isinstance(part, Table):
            texts.append(f"{part.title}:\n\n{markdown(part.head, part.rows)}")
        elif isinstance(part, Picture):
            texts.append(f"![{part.caption}]({part.file})")
        else:
            texts.append(part)
    return "\n\n".join(texts)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_section(name: str, text: str, readme: Path = README) -> None:
    """Put text between the lines ``<!-- name -->`` and ``<!-- /name -->`` of the project's README.

    Raises:
        ValueError: the README does not have these lines.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = readme.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{readme} must have the lines {begin} and {end} once each")
    before, rest = old.split(begin)
    _, after = rest.split(end)
    write_text(readme, f"{before}{begin}\n{text.strip()}\n{end}{after}")


def write_json(path: Path, content: Any) -> None:
    """Write or replace a JSON file, its numbers rounded to seven significant digits."""
    write_text(path, json.dumps(_rounded(content), ensure_ascii=False, separators=(",", ":")) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write or replace a text file, and create its folder."""
    make_directory(path.parent)
    replace_file(path, text.encode())


def write_picture(path: Path, figure: "Figure") -> None:
    """Write or replace a PNG."""
    from handgrad.runs.plots import png

    make_directory(path.parent)
    replace_file(path, png(figure))


def environment_line(*libraries: str) -> str:
    """Name the processor, the core that OpenBLAS assumes, and the versions of some libraries."""
    import numpy  # noqa: F401 - brings the OpenBLAS that is asked
    from threadpoolctl import threadpool_info

    cores = sorted({pool["architecture"] for pool in threadpool_info() if "architecture" in pool})
    parts = [cpu_name(), f"OpenBLAS core {'/'.join(cores)}", f"Python {platform.python_version()}"]
    for library in libraries:
        try:
            parts.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            parts.append(f"{library} not installed")
    return f"{', '.join(parts)}."


def cpu_name() -> str:
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def progress(items: Sequence[T], description: str, lines: int = 10) -> Iterator[T]:
    """Yield the items under a progress bar; without a terminal, print about ``lines`` lines instead."""
    from rich.progress import BarColumn, MofNCompleteColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn())
    with ProgressBar(*columns, total=len(items)) as bar:
        for done, item in enumerate(items, 1):
            bar.show(done - 1, description)
            yield item
            if not bar.on_terminal and lines * done // len(items) > lines * (done - 1) // len(items):
                bar.print_line(f"{description}: {done} of {len(items)}")


def _rounded(content: Any) -> Any:
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}")
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return content
