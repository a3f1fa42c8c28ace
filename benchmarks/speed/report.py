"""A run told: on the terminal, in pictures, and in both READMEs."""

from dataclasses import replace
from pathlib import Path

from benchmarks.results import PROJECT_README, RESULTS, Part, Table, as_markdown, publish, write_section
from benchmarks.speed import plots, tables
from benchmarks.speed.contenders import OURS
from benchmarks.speed.ratios import CONFIDENCE
from benchmarks.speed.schema import Results


def report(results: Results, out: Path) -> None:
    """Print every table and draw every picture; with the project's own results, bring the READMEs up to date.

    Args:
        results: of the run, whole or in part.
        out: the folder of the results.
    """
    pictures = plots.draw(results, out)
    environment = environment_text(results)
    publish("speed", [environment, *pictures, *all_tables(results), *notes(results)], out)
    if out.resolve() == RESULTS:
        parts: list[Part] = [tables.headline_table(results), *pictures[:1], losses(results), environment]
        write_section("speed", as_markdown(parts, "benchmarks/results"), PROJECT_README)


def all_tables(results: Results) -> list[Table]:
    """Return the tables that have rows."""
    results = replace(results, cases=[result for result in results.cases if result.contenders])
    candidates = [
        tables.headline_table(results),
        tables.ratio_table(results),
        *(tables.time_table(results, task) for task in ("step", "gradient", "epoch")),
        tables.start_table(results),
        tables.machine_table(results),
    ]
    return [table for table in candidates if table.rows]


def environment_text(results: Results) -> str:
    """Name the machine, the libraries and the threads, and say how long it took."""
    threads = sorted({result.case.threads for result in results.cases})
    pins = ", ".join(f"{name}={value}" for name, value in results.pins.items())
    parts = [
        f"{results.cpu}, {results.cpus} CPUs",
        results.platform,
        f"Python {results.python}",
        *(f"{name} {version}" for name, version in sorted(results.versions.items())),
        *(f"{name} (core {core})" for name, core in sorted(results.cores.items())),
        f"threads {' and '.join(map(str, threads))}, seen in every library",
        f"OpenBLAS pinned by {pins}" if pins else "no pin on OpenBLAS",
    ]
    return f"{'; '.join(parts)}. `{results.command}`, {results.started}, {results.elapsed_seconds:.0f} s."


def losses(results: Results) -> str:
    """List where another contender is faster in a step, however little, or say that none is."""
    title = f"Where {OURS} loses, surely if the interval ({CONFIDENCE:.0%}) ends below 1"
    return _list(title, tables.losses(results)) or f"No contender is faster than {OURS} in any case."


def notes(results: Results) -> list[str]:
    """List where handgrad loses, whose rounds disagree, and what was refused, missing or cut short."""
    missing = [f"{name}; `{command}` installs it" for name, command in results.missing.items()]
    whole = max(result.passes for result in results.cases)
    unfinished = [
        f"{result.case}: {result.passes} of {whole} passes"
        for result in results.cases
        if result.passes < whole
    ]
    unsteady = (
        f"Rounds disagree, their middle half spreads over more than {tables.STEADY_SPREAD:.0%} of the median "
        f"(marked {tables.UNSTEADY})"
    )
    candidates = [
        losses(results),
        _list(unsteady, tables.unsteady(results)),
        _list("Refused, so that no time is given", tables.refusals(results)),
        _list("Not installed", missing),
        _list("Not measured as often as the others, for lack of time", unfinished),
    ]
    return [text for text in candidates if text]


def _list(title: str, lines: list[str]) -> str:
    """Return a list under its title; empty if there is nothing to list."""
    return "\n".join([f"{title}:", "", *(f"- {line}" for line in lines)]) if lines else ""
