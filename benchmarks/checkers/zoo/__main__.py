"""``python -m benchmarks.checkers.zoo``: what the checker says of functions that are hard to judge."""

import sys
import time
from pathlib import Path

import tyro


def zoo(quick: bool = False, only: str = "", processes: int | None = None, out: Path | None = None) -> int:
    """Put right and wrong gradients of hostile functions to the checker, and count its mistakes.

    Args:
        quick: every third function, one right hand and four wrong ones each.
        only: part of the name of a kind or function.
        processes: how many at a time; as many as there are cores, otherwise.
        out: folder for zoo.json and zoo.md; otherwise benchmarks/results, or nowhere for a part of the zoo.

    Returns:
        1 if anything wrong was called right or anything right called wrong, 2 if nothing has such a name,
        else 0.
    """
    from benchmarks.checkers.zoo.run import choose, run_zoo
    from benchmarks.checkers.zoo.report import counted, table, excused, faults
    from benchmarks.results import RESULTS, write_text, markdown, write_json

    begin = time.perf_counter()
    try:
        every = choose(only, quick)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    asked = run_zoo(every, quick, processes)
    text = "\n".join([counted(asked), markdown(*table(asked)), *excused(asked), *faults(asked)])
    print(text, f"\n{time.perf_counter() - begin:.0f} s")
    folder = out or (None if quick or only else RESULTS)
    if folder is not None:
        from dataclasses import asdict
        write_json(folder / "asked.json", [asdict(a) for a in asked])
        write_text(folder / "zoo.md", text + "\n")
    return int(any(each.fault in ("wrong called right", "right called wrong", "crashed") for each in asked))


if __name__ == "__main__":
    sys.exit(tyro.cli(zoo, prog="python -m benchmarks.checkers.zoo"))
