"""Text, formulas and code as HTML, with every named quantity marked."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from functools import cache

import latex2mathml.converter
from markupsafe import Markup, escape
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, String, Token

__all__ = ["code_html", "formula", "formulas_in", "mark", "prose"]

INLINE = re.compile(r"(?:\$([^$]+)\$|``([^`]+)``|`([^`]+)`|\*([^*\s][^*]*)\*)((?<=\$)[,.;:)，。；：、）]*)?")

# In LaTeX: a command or a subscript, which do not contain a quantity; or else a symbol with the digit in its
# name, or the penalty's strength.
SYMBOL = re.compile(r"\\[a-zA-Z]+|d?[A-Za-z]_[12](?!\d)|_\{[^{}]*\}|_\w|reg|d?[A-Za-z]")

# Characters that replace quantities in LaTeX until the formula is a tree; they have no other meaning.
FIRST_PRIVATE = 0xE000

# Elements of a formula that is never broken.
LONGEST = 8

TOKEN_CLASSES = {Keyword: "k", Name.Builtin: "b", Number: "n", String: "s", Comment: "c"}


def mark(name: str, shown: str | None = None) -> Markup:
    """Return a quantity's name, or the given text for it, marked so that the page can highlight it."""
    return Markup('<span class="q" data-q="{}">{}</span>').format(name, shown or name)


def formulas_in(text: str) -> list[str]:
    """The LaTeX between dollar signs, in order."""
    return re.findall(r"\$([^$]+)\$", text)


def formula(latex: str, marks: Mapping[str, str] | None = None, *, display: bool = False) -> Markup:
    """Return a formula as a ``math`` element.

    Args:
        latex: the formula.
        marks: the quantity for each symbol; a symbol is a letter, perhaps after ``d`` or before
            ``_1`` or ``_2``.
        display: whether it is displayed on its own line.

    Raises:
        ValueError: the formula is not LaTeX that can be shown.
    """
    return _formula(latex, tuple(sorted((marks or {}).items())), display)


@cache
def _formula(latex: str, marks: tuple[tuple[str, str], ...], display: bool) -> Markup:
    symbols = dict(marks)
    found: list[str] = []
    latex = re.sub(r"\\[lr]Vert\b", r"\\|", latex)  # the converter does not support the fences

    def hide(match: re.Match[str]) -> str:
        symbol = match[0]
        if symbol in symbols or symbol == "reg":
            found.append(symbol)
            return " " + chr(FIRST_PRIVATE + len(found) - 1)
        return symbol

    try:
        text = latex2mathml.converter.convert(
            SYMBOL.sub(hide, latex), display="block" if display else "inline"
        )
        tree = ET.fromstring(text)  # noqa: S314 - written by the line above
    except Exception as error:
        raise ValueError(f"the formula ${latex}$ cannot be shown: {error}") from error
    for element in tree.iter():
        element.tag = element.tag.removeprefix("{http://www.w3.org/1998/Math/MathML}")
        letter = element.text or ""
        if len(letter) == 1 and 0 <= ord(letter) - FIRST_PRIVATE < len(found):
            _show_symbol(element, found[ord(letter) - FIRST_PRIVATE], symbols)
    for element in tree.iter("mi"):
        # An italic letter of a text font, which every machine has, instead of a mathematical alphabet.
        letter = element.text or ""
        if len(letter) == 1 and letter.isalpha() and element.get("mathvariant") != "normal":
            element.set("class", f"{element.get('class', '')} i".strip())
    tree.set("lang", "en")  # in Chinese text a browser would take ‖ and ∂ from a Chinese font, twice as wide
    parts = [tree] if display else _broken(tree)
    text = "".join(ET.tostring(part, encoding="unicode") for part in parts)
    return Markup(text)  # noqa: S704 - a tree escapes its text


def _broken(tree: ET.Element) -> list[ET.Element]:
    """Split a long formula where a line may end: each part but the first begins with its = sign."""
    (row,) = tree
    if len(row) <= LONGEST:
        return [tree]
    parts: list[ET.Element] = []
    depth = 0
    for element in row:
        # The closing bracket may have an exponent, and is then inside another element.
        depth += sum({"(": 1, "[": 1, ")": -1, "]": -1}.get(each.text or "", 0) for each in element.iter())
        if not parts or (depth == 0 and (element.tag, element.text) == ("mo", "=")):
            parts.append(ET.Element("math", tree.attrib))
            ET.SubElement(parts[-1], "mrow")
        parts[-1][0].append(element)
    return parts


def _show_symbol(element: ET.Element, symbol: str, symbols: Mapping[str, str]) -> None:
    element.attrib.clear()
    if symbol in symbols:
        element.set("class", "q")
        element.set("data-q", symbols[symbol])
    base, _, digit = symbol.partition("_")
    if symbol == "reg" or (symbol == base and len(base) == 1):
        element.tag, element.text = "mi", base
        return
    element.tag, element.text = "msub" if digit else "mrow", None
    inner = ET.SubElement(element, "mrow") if digit else element
    for letter in base:
        ET.SubElement(inner, "mi").text = letter
    if digit:
        ET.SubElement(element, "mn").text = digit


def prose(
    text: str,
    marks: Mapping[str, str] | None = None,
    quantities: Iterable[str] = (),
    formulas: list[str] | None = None,
) -> Markup:
    """Return a paragraph: ``$formulas$``, code in backticks, emphasis between asterisks; all else is text.

    Args:
        text: the paragraph.
        marks: as for `formula`.
        quantities: names to mark wherever they occur as code.
        formulas: LaTeX for ``{1}``, ``{2}``, ... in a translation, which takes the formulas of the original.
    """
    if formulas is not None:
        text = re.sub(r"\{(\d+)\}", lambda match: f"${formulas[int(match[1]) - 1]}$", text)
    parts: list[Markup] = []
    end = 0
    for match in INLINE.finditer(text):
        latex, code, single, emphasised, closing = match.groups()
        parts.append(escape(text[end : match.start()]))
        if latex:
            # Closing punctuation stays on the line of the formula before it.
            before, last, rest = formula(latex, marks).rpartition("<math")
            parts += [before, Markup('<span class="whole">{}{}{}</span>').format(last, rest, closing)]
        elif emphasised:
            parts.append(Markup("<em>{}</em>").format(emphasised))
        else:
            name = code or single
            shown = mark(name) if name in quantities else escape(name)
            parts.append(Markup("<code>{}</code>").format(shown))
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def code_html(code: str, marks: Mapping[str, str]) -> Markup:
    """Return coloured Python source, with names marked as the quantities given by ``marks``."""
    parts = []
    for kind, text in PythonLexer().get_tokens(code.strip("\n")):
        if kind in Name and text in marks:
            parts.append(mark(marks[text], text))
            continue
        css = next((css for token, css in TOKEN_CLASSES.items() if kind in token), None)
        styled = css is not None and kind is not Token.Text
        parts.append(Markup('<span class="{}">{}</span>').format(css, text) if styled else escape(text))
    return Markup("").join(parts).rstrip()
