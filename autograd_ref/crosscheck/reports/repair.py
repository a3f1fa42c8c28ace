"""The proposed repair of a program."""

from dataclasses import dataclass

__all__ = ["Repair"]


@dataclass(frozen=True)
class Repair:
    """A change of the program with which every gradient was right in a run.

    Attributes:
        file: the file to change.
        line: the first line that changes; for inserted lines, the line after them.
        end_line: the last line that changes.
        before: the old lines; empty for inserted ones.
        after: the new lines.
        diff: a unified diff for `git apply`.
        says: the mistake.
        points: number of points at which it was tried.
        tried: number of edits that were run.
        others: number of other edits of the same statement that are equally good.
        digest: SHA-256 of the file that was read; empty if the source is not in a file.
    """

    file: str
    line: int
    end_line: int
    before: str
    after: str
    diff: str
    says: str
    points: int
    tried: int
    others: int
    digest: str = ""

    def lines(self, gradients: int, dtype: str) -> list[str]:
        """Return the changed lines with their numbers, and a sentence about the mistake.

        Args:
            gradients: number of judged gradients.
            dtype: their dtype.
        """
        width = len(str(self.end_line))
        shown = []
        number = self.line
        for line in self.diff.splitlines()[2:]:
            if line.startswith("@@"):
                number = int(line.split()[1].partition(",")[0][1:])
            elif line.startswith(("+", "-")):
                told = str(number) if line.startswith("-") else ""
                shown.append(f"{told:>{width}} │ {line.rstrip()}")
            number += line.startswith(("-", " "))
        others = {0: "", 1: "; another edit would do as well"}.get(
            self.others, f"; {self.others} other edits would do as well"
        )
        several = "both" if gradients == 2 else f"all {gradients}"
        which = "the gradient is" if gradients == 1 else f"{several} gradients are"
        tried = f"{self.points} points, {dtype}"
        return [*shown, f"With this {which} right ({tried}): {self.says}{others}."]
