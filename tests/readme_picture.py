"""Draw the README's picture of a terminal: `python tests/readme_picture.py`."""

import io
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from autograd_ref import Report
from handgrad.files import replace_file

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / ".github" / "check.svg"


def draw():
    """Check the README's first program as the README says, and draw the report below the command."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]
    command = re.search(r"^handgrad (check net\.py:step .*)$", readme, re.MULTILINE)[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "net.py").write_text(program)
        run = [sys.executable, "-m", "handgrad", *shlex.split(command), "--json"]
        found = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False).stdout
    console = Console(record=True, width=98, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ handgrad {command}", style="bold", no_wrap=True, overflow="ellipsis"))
    console.print(Report.from_json(json.loads(found)))
    replace_file(PICTURE, console.export_svg(title="handgrad check", unique_id="check").encode())


if __name__ == "__main__":
    draw()
