"""Types of options that decide how their help looks."""

from typing import Annotated

import tyro

__all__ = ["UNTITLED", "Flag"]

# A flag that is off by default, without a --no- form and without its default in the help.
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help_behavior_hint="")]

# A group of options without a sentence above them.
UNTITLED = tyro.conf.arg(help="")
