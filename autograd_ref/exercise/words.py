"""The texts of the exercises, in every language."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Words"]

FOLDER = Path(__file__).parent / "text"


class Words:
    """The texts of one language."""

    def __init__(self, language: str):
        self.language = language
        self._texts = _read(language)

    def __call__(self, key: str, **figures: Any) -> str:
        """Return the text at ``section.name``, with figures in place of the names in braces."""
        return str(self._of(key)).format(**figures)

    def lines(self, key: str, **figures: Any) -> list[str]:
        """Return a list of texts, filled in likewise."""
        return [str(each).format(**figures) for each in self._of(key)]

    def finding(self, id: str, figures: Mapping[str, Any]) -> str:
        """Return the sentence about what is wrong with a step."""
        filled = dict(figures)
        if id == "parts":
            said = [
                self("finding.part-missing", line=line)
                if float(factor) == 0
                else self("finding.part-scaled", line=line, factor=factor)
                for line, factor in figures["parts"]
            ]
            filled["parts"] = self._between.join(said)
        if filled.get("index") == "":
            filled["index"] = "()"
        return self(f"finding.{id}", **filled)

    @property
    def _between(self) -> str:
        """The separator of two sentences."""
        return "" if self.language == "zh" else " "

    def _of(self, key: str) -> Any:
        section, _, name = key.partition(".")
        return self._texts[section][name]


@cache
def _read(language: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
