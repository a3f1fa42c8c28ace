"""A run told: on the terminal, in pictures, and between the markers of both READMEs."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.results import README, RESULTS, markdown, show, write_section
from benchmarks.speed import plots as speed_plots
from benchmarks.speed import tables
from benchmarks.speed.contenders import OURS
from benchmarks.speed.ratios import CONFIDENCE, SPREAD
from benchmarks.speed.schema import Results


def report(results: Results, out: Path, console: Console) -> None:
    """Print every table and draw every picture; with the project's own results, bring the READMEs up to date.

    Args:
        results: of the run, whole or in part.
        out: the folder for the pictures.
        console: where the tables are printed.
    """
    pictures = speed_plots.draw(results, out)
    found = all_tables(results)
    for table in found:
        show(console, *table)
    for text in [environment_text(results), *notes(results)]:
        console.print(text, "", highlight=False, markup=False, soft_wrap=True, sep="\n")
    console.print(f"{out}: results.json, {', '.join(path.name for path in pictures)}", highlight=False)
    if out.resolve() == RESULTS:
        sections = [f"{table.title}:\n\n{markdown(table.head, table.rows)}" for table in found]
        images = [f"![{speed_plots.CAPTIONS[path.name]}](results/{path.name})" for path in pictures]
        write_section("speed", "\n\n".join([environment_text(results), *images, *sections, *notes(results)]))
        headline = tables.headline_table(results)
        lines = [
            f"{headline.title}:",
            markdown(headline.head, headline.rows),
            *images[:1],
            *losses(results),
            environment_text(results),
        ]
        text = "\n\n".join(lines).replace("](results/", "](benchmarks/results/")
        write_section("speed", text, README.parent.parent / "README.md")


def all_tables(results: Results) -> list[tables.Table]:
    """Those that have rows, in the order in which they are told."""
    results = replace(results, cases=[each for each in results.cases if each.entrants])
    found = [
        tables.headline_table(results),
        tables.ratio_table(results),
        tables.time_table(results, "step"),
        tables.time_table(results, "gradient"),
        tables.time_table(results, "epoch"),
        tables.start_table(results),
        tables.growth_table(results),
        tables.crossing_table(results),
        tables.work_table(results),
        tables.machine_table(results),
    ]
    return [table for table in found if table.rows]


def environment_text(results: Results) -> str:
    """The machine, the libraries, the threads, and how long it took."""
    entrants = [entrant for each in results.cases for entrant in each.entrants.values()]
    versions = {name: v for entrant in entrants for name, v in entrant.versions.items()}
    cores = {name: core for entrant in entrants for name, core in entrant.cores.items()}
    threads = sorted({each.case.threads for each in results.cases})
    parts = [
        f"{results.cpu}, {results.cpus} CPUs",
        results.platform,
        f"Python {results.python}",
        *(f"{name} {version}" for name, version in sorted(versions.items())),
        *(f"{name} (core {core})" for name, core in sorted(cores.items())),
        f"threads {' and '.join(map(str, threads))}, seen in every library",
        "OpenBLAS pinned by " + ", ".join(f"{k}={v}" for k, v in results.pins.items())
        if results.pins
        else "no pin on OpenBLAS",
    ]
    return f"{'; '.join(parts)}. `{results.command}`, {results.started}, {results.elapsed_seconds:.0f} s."


def losses(results: Results) -> list[str]:
    """Where another contender is faster in a step, however little, or that nobody is."""
    lost = tables.losses(results)
    title = f"Where {OURS} loses, surely if the interval ({CONFIDENCE:.0%}) ends below 1"
    return [tables.note(title, lost) if lost else f"Nobody is faster than {OURS} in any case."]


def notes(results: Results) -> list[str]:
    """Where handgrad loses, whose rounds disagree, who was refused, what is not there."""
    missing = [f"{name}; `{command}` brings it in" for name, command in results.missing.items()]
    passes = [(each, tables.passes(each)) for each in results.cases]
    whole = max(number for _, number in passes)
    unfinished = [f"{each.case}: {number} of {whole} passes" for each, number in passes if number < whole]
    found = [
        *losses(results),
        tables.note(
            f"Rounds disagree, their middle half spreads over more than {SPREAD:.0%} of the median "
            f"(marked {tables.UNSTEADY})",
            tables.unsteady(results),
        ),
        tables.note("Refused, so that no time is given", tables.refusals(results)),
        tables.note("Not installed", missing),
        tables.note("Not measured as often as the others, for lack of time", unfinished),
    ]
    return [each for each in found if each]
