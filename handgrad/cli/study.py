"""The command `handgrad study`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from handgrad.cli.exit_codes import OK
from handgrad.cli.flags import Flag

__all__ = ["Study"]


@dataclass
class Study:
    """Build the study page: both derivations of the network, side by side, in one HTML file.

    Formulas and code are read from the source, and every number is computed, which takes about ten seconds.
    The page is in English and Chinese.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("study")
    """Directory for index.html."""

    open: Flag = False
    """Open the page in the browser."""

    def run(self) -> int:
        """Build the page, print its path, and return the exit code."""
        import webbrowser

        from rich.console import Console

        from autograd_ref.compiling.cache import keep_compiled
        from autograd_ref.study import write_page

        keep_compiled()
        with Console(stderr=True).status("Deriving, checking and breaking the network …"):
            file = write_page(self.out)
        print(file)
        if self.open:
            webbrowser.open(file.resolve().as_uri())
        return OK
