"""The template, and functions with which it shows numbers, names and verdicts."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from autograd_ref.crosscheck.quantity import Quantity
from autograd_ref.study.rendering.charts import speed_chart, training_chart, witness_chart
from autograd_ref.study.rendering.language import Words
from autograd_ref.study.rendering.markup import code_html, formula, formulas_in, mark
from autograd_ref.study.rendering.matrices import cells, number, short
from autograd_ref.study.source import Rule

__all__ = ["render"]

FOLDER = Path(__file__).parent

# In the order of the page.
STYLES = ("page", "text", "numbers", "steps", "picture", "break", "exercise", "charts", "paper")
SCRIPTS = (
    "network",
    "explain",
    "language",
    "lights",
    "numbers",
    "editor",
    "walk",
    "break",
    "numpy",
    "exercise",
)

# The bar of an error begins at a thousandth of the bound and is full at 10¹⁷ bounds.
BAR = (-3.0, 17.0)


def render(context: Mapping[str, Any], words: Words) -> str:
    """Return the page; everything is escaped except HTML made by this package.

    Raise ValueError if a text is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "t": words.inline,
        "p": words.paragraphs,
        "derivation": words.derivation,
        "witness_chart": lambda witnesses: witness_chart(witnesses, words),
        "training_chart": lambda right, mistaken: training_chart(right, mistaken, words),
        "speed_chart": lambda speed: speed_chart(speed, words),
        "code": code_html,
        "formula": formula,
        "mark": mark,
        "number": number,
        "short": short,
        "cells": cells,
        "is_scalar": lambda values: np.ndim(values) == 0,
        "name": lambda name: mark(name) if name in context["named"] else escape(name),
        "bindings": _bindings,
        "scientific": _scientific,
        "units": _units,
        "reach": _reach,
        "by_name": lambda quantities: {quantity.name: quantity for quantity in quantities},
        "wrong_names": _wrong_names,
        "said": words.said,
        "either": words.either,
        "style": _joined("style", "css", STYLES),
        "script": _joined("script", "js", SCRIPTS),
    }
    return environment.get_template("page.html.jinja").render(context)


def _bindings(rule: Rule) -> list[tuple[str, str]]:
    """Return the meanings of a derivation's letters in this step, where they differ from the letters."""
    written = re.sub(r"_\{[^{}]*\}|_\w", "", " ".join(formulas_in(" ".join(rule.derivation))))
    letters = set(re.findall(r"(?<![\\A-Za-z])d?[A-Za-z](?![A-Za-z])", written))
    return [(symbol, name) for symbol, name in rule.marks.items() if symbol in letters and symbol != name]


def _joined(folder: str, ending: str, names: tuple[str, ...]) -> Markup:
    files = (FOLDER / folder / f"{name}.{ending}" for name in names)
    return Markup("\n".join(file.read_text(encoding="utf-8") for file in files))  # noqa: S704 - our own files


def _scientific(value: float) -> Markup:
    """Return a number in scientific notation for readers."""
    if value == 0:
        return Markup("0")
    if not np.isfinite(value):
        return Markup("∞")
    digits, _, exponent = f"{value:.1e}".partition("e")
    return Markup("{}·10<sup>{}</sup>").format(digits, f"{int(exponent)}".replace("-", "−"))


def _units(value: float) -> Markup:
    """Return an error in units of its bound."""
    return escape(f"{value:.3f}") if value < 1000 else _scientific(value)


def _reach(units: float) -> float:
    """Return the percentage of its bar that an error, in units of its bound, fills."""
    low, high = BAR
    return 100 * float(np.log10(np.clip(units, 10**low, 10**high)) - low) / (high - low)


def _wrong_names(quantities: Sequence[Quantity]) -> str:
    return " ".join(quantity.name for quantity in quantities if not quantity.ok)
