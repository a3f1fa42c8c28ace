"""Where results go: JSON and pictures under one folder, tables into README.md between two markers."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

README = Path(__file__).parent / "README.md"
RESULTS = Path(__file__).parent / "results"

WIDE = 170  # characters

T = TypeVar("T")


def cpu_name() -> str:
    """The processor, as the system calls it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def environment_line(*libraries: str) -> str:
    """The processor, the core that OpenBLAS takes it for, and the versions of Python and some libraries."""
    from threadpoolctl import threadpool_info

    cores = sorted({each["architecture"] for each in threadpool_info() if "architecture" in each})
    parts = [cpu_name(), f"OpenBLAS core {'/'.join(cores)}", f"Python {platform.python_version()}"]
    for library in libraries:
        try:
            parts.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            parts.append(f"{library} not installed")
    return ", ".join(parts)


def write_json(path: Path, found: Any) -> None:
    """Write or replace a JSON file as a whole."""
    write_text(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write or replace a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def write_section(name: str, text: str, readme: Path = README) -> None:
    """Put text between the lines ``<!-- name -->`` and ``<!-- /name -->`` of the README.

    Raises:
        ValueError: there are no such lines.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = readme.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{readme} must have the lines {begin} and {end} once each")
    before, rest = old.split(begin)
    _, after = rest.split(end)
    write_text(readme, f"{before}{begin}\n{text.strip()}\n{end}{after}")


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for the README; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The same table on the terminal."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, heading in enumerate(head):
        table.add_column(heading, justify="left" if i == 0 else "right", no_wrap=i == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, "")


def wide_console() -> Console:
    """A console for wide tables, which nobody who keeps them in a file wants folded."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def progress(items: Sequence[T], description: str, lines: int = 10) -> Iterator[T]:
    """The items one by one, under a progress bar on a terminal; elsewhere with a line now and then."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, description, console=console, transient=True)
        return
    for done, item in enumerate(items, 1):
        yield item
        if lines * done // len(items) > lines * (done - 1) // len(items):
            console.print(f"{description}: {done} of {len(items)}", highlight=False)
