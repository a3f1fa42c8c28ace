"""The page's texts in every language: read from files, compared with each other, shown side by side."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from autograd_ref.study.rendering.markup import formula, formulas_in, prose

__all__ = ["LANGUAGES", "Words"]

FOLDER = Path(__file__).parent / "text"

# The names of the folders, and the language tags for browsers.
LANGUAGES = {"en": "en", "zh": "zh-Hans"}
ORIGINAL = "en"

# The symbols in the formulas of the texts; the symbols of docstrings are found in the code.
SYMBOLS = {
    "X": "X", "y": "y", "s": "scores", "p": "probs", "ds": "dscores",
    **{f"{d}{q}_{i}": f"{d}{q}{i}" for d in ("", "d") for q in "zhWb" for i in "12"},
}  # fmt: skip


class Words:
    """The texts of the page, by dotted keys, and the translations of the docstrings' derivations."""

    def __init__(self, quantities: Iterable[str], folder: Path = FOLDER) -> None:
        """Read the texts.

        Args:
            quantities: names to mark wherever they occur as code.
            folder: the folder with the languages' folders, such as ``en``.

        Raises:
            ValueError: a file lacks a key that another file has.
        """
        self._quantities = set(quantities)
        tables = {language: _read(folder / language) for language in LANGUAGES}
        self._derivations = {language: table.pop("derivations", {}) for language, table in tables.items()}
        self._sentences = {language: table.pop("sentences", {}) for language, table in tables.items()}
        self._texts = {language: dict(_flat(table)) for language, table in tables.items()}
        every = {key: None for texts in self._texts.values() for key in texts}
        for language, texts in self._texts.items():
            missing = [key for key in every if key not in texts]
            if missing:
                raise ValueError(f"{folder / language} lacks {', '.join(missing)}")

    def inline(self, key: str) -> Markup:
        """Return a text in all languages, for use in a line."""
        shown = {language: self._prose(self._text(key, language)) for language in LANGUAGES}
        return _spans(shown, "span")

    def paragraphs(self, key: str, **figures: str) -> Markup:
        """Return a text in all languages, in paragraphs; figures replace the names in braces."""
        shown = {
            language: Markup("").join(
                self._paragraph(" ".join(part.split()))
                for part in _filled(self._text(key, language), figures).strip().split("\n\n")
            )
            for language in LANGUAGES
        }
        return _spans(shown, "div")

    def svg(self, key: str) -> Markup:
        """Return a text in all languages, as elements of a picture."""
        return _spans(
            {language: Markup("{}").format(self._text(key, language)) for language in LANGUAGES}, "text"
        )

    def derivation(self, paragraphs: tuple[str, ...], marks: Mapping[str, str]) -> Markup:
        """Return a docstring's paragraphs in all languages; untranslated ones remain in English.

        ``marks`` has the quantity for each symbol.
        """
        shown = {language: Markup("") for language in LANGUAGES}
        for paragraph in paragraphs:
            formulas = formulas_in(paragraph)
            if paragraph == f"${formulas[0]}$" if formulas else False:
                for language in LANGUAGES:
                    shown[language] += _display(formulas[0], marks)
                continue
            item = Markup(' class="item"') if paragraph.startswith("- ") else ""
            paragraph = paragraph.removeprefix("- ")
            for language in LANGUAGES:
                text = None if language == ORIGINAL else self._translation(paragraph, language)
                if text is None:
                    speaks, content = LANGUAGES[ORIGINAL], prose(paragraph, marks, self._quantities)
                else:
                    speaks, content = LANGUAGES[language], prose(text, marks, self._quantities, formulas)
                shown[language] += Markup('<p{} lang="{}">{}</p>').format(item, speaks, content)
        return _spans(shown, "div")

    def either(self, texts: Mapping[str, str]) -> Markup:
        """A text that comes from elsewhere in all languages, for a line."""
        shown = {language: self._prose(texts[language]) for language in LANGUAGES}
        return _spans(shown, "span")

    def said(self, id: str, sentence: str) -> Markup:
        """Return the checker's sentence about a mistake, in English and in the other languages."""
        shown = {
            language: Markup("{}").format(self._sentences[language].get(id, sentence))
            for language in LANGUAGES
        }
        return _spans(shown, "span")

    def _translation(self, paragraph: str, language: str) -> str | None:
        """Return the translation of a paragraph, which is found by its text without the formulas."""
        formulas = iter(range(1, paragraph.count("$") + 1))
        key = "".join(
            part if i % 2 == 0 else f"{{{next(formulas)}}}" for i, part in enumerate(paragraph.split("$"))
        )
        text: str | None = self._derivations[language].get(key)
        return text

    def _text(self, key: str, language: str) -> str:
        try:
            return self._texts[language][key]
        except KeyError:
            raise ValueError(f"{FOLDER / language} lacks {key}") from None

    def _paragraph(self, text: str) -> Markup:
        """Return a paragraph; a paragraph that is just a formula is displayed on its own line."""
        if text.startswith("$") and text.endswith("$") and text.count("$") == 2:
            return _display(text[1:-1], SYMBOLS)
        return Markup("<p>{}</p>").format(self._prose(text))

    def _prose(self, text: str) -> Markup:
        return prose(text, SYMBOLS, self._quantities)


def _display(latex: str, marks: Mapping[str, str]) -> Markup:
    return Markup('<p class="display">{}</p>').format(formula(latex, marks, display=True))


def _read(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for file in sorted(folder.glob("*.toml")):
        try:
            table |= tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{file}: {error}") from None
    return table


def _filled(text: str, figures: Mapping[str, str]) -> str:
    for name, figure in figures.items():
        text = text.replace(f"{{{name}}}", figure)
    return text


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _spans(shown: Mapping[str, Markup], element: str) -> Markup:
    return Markup("").join(
        Markup('<{0} class="{1}" lang="{2}">{3}</{0}>').format(
            Markup(element),  # noqa: S704 - one of three tags, from this file
            language,
            LANGUAGES[language],
            content,
        )
        for language, content in shown.items()
    )
