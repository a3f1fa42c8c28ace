"""A repair of a program, as it is proposed."""

from dataclasses import dataclass

__all__ = ["Repair"]


@dataclass(frozen=True)
class Repair:
    """A change of the program with which every gradient was right when it was run.

    Attributes:
        file: to be changed.
        line: the first line that changes; for inserted lines, the one that they go in front of.
        end_line: the last.
        before: these lines as they are; empty for inserted ones.
        after: what they become.
        diff: a unified diff, as `git apply` takes it.
        says: what was wrong.
        points: how many points it was tried at.
        tried: how many edits were run.
        others: how many other edits of the same statement would do as well.
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
        """The lines that change with their numbers, and what was wrong.

        Args:
            gradients: how many were judged.
            dtype: in which.
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
