"""The canonical form of an answer: equal answers, equal strings; exact rationals, never floats.

`clean` removes what is typography; `parse` reads numbers (`0.50`, `\\dfrac12` and `1/2` are all `1/2`), percentages,
units and comma lists. Both are idempotent, so canonical forms can be counted, voted on and stored.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from rlpipe.verifiers.units import UNITS

LONGEST = 2000  # characters that are read as a number or list; longer text is compared as text
DEEPEST = 6  # nested lists

_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SPACED = re.compile(r"\\[,;: ]|\\q?quad(?![A-Za-z])|~|\s+")
_LOOSE_SPACE = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_DROPPED = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\!|(?<!\\)\\[()\[\]]|\\?\$")
_FRACTION_COMMAND = re.compile(r"\\[dt]frac(?![A-Za-z])")
_ONE_DIGIT_ABOVE = re.compile(r"\\frac ?([0-9])")
_ONE_DIGIT_BELOW = re.compile(r"(\\frac\{[^{}]*\}) ?([0-9])")
_TEXT_COMMAND = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}"
)
_DEGREE = re.compile(r"\^(?:\{\\circ\}|\\circ(?![A-Za-z]))|°")
_LETTER_EQUALS = re.compile(r"[A-Za-z] ?= ?(?=.)")
_DASHES = str.maketrans(dict.fromkeys("−–—‐‑‒―", "-") | {"⁄": "/", "×": "\\times ", "÷": "\\div ", "·": "\\cdot "})

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"([+-]?)([0-9]*)\.([0-9]*)")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_SLASH = re.compile(r"([+-]?[0-9]+)/([+-]?[0-9]+)")
_FRAC = re.compile(r"([+-]?)\\frac\{([+-]?[0-9]+)\}\{([+-]?[0-9]+)\}")
_QUANTITY = re.compile(r"(.*[0-9}.]) ?((?:(?<= ).|[A-Za-z/]{2})[A-Za-z/ ]*(?:\^\{?[23]\}?)?)")
_CHOICE = re.compile(r"\(([A-Za-z])\)")
_WORDS = re.compile(r"[A-Za-z]+(?:[ '-][A-Za-z]+)*")
_CASELESS = frozenset(("yes", "no", "true", "false"))
_OPEN, _CLOSE = "([{", ")]}"
_ORDERED = frozenset(("()", "[]", "(]", "[)"))


@dataclass(frozen=True, slots=True)
class Value:
    """An answer, read. `canonical` decides equality; `exact` says that nothing but numbers is in it.

    `brackets` are those of an ordered list (`()`, `[)`, ...), `{}` for a multiset; `size` counts a list's elements.
    """

    kind: Literal["empty", "number", "percent", "list", "text"]
    canonical: str
    exact: bool = False
    unit: str = ""
    brackets: str = ""
    size: int = 0

    @property
    def number(self) -> Fraction:
        return Fraction(self.canonical.rstrip("%"))

    @property
    def is_words(self) -> bool:
        """A name or a choice rather than a formula: one letter, or words of three letters or more in all."""
        return self.kind == "text" and len(self.canonical) != 2 and _WORDS.fullmatch(self.canonical) is not None


def clean(text: str) -> str:
    """The answer without typography: Unicode forms, LaTeX spacing and sizes, `$`, `x =`, trailing dots, blanks.

    Differs: NFKC would turn 5² into 52 and 1½ into 11/2, so superscripts, subscripts and fractions are spelt out first.
    """
    if _PLAIN.fullmatch(text) or len(text) > LONGEST:
        return text
    while (shorter := _clean_once(text)) != text:
        text = shorter
    return text


def _clean_once(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", "".join(map(_spell_out, text))).translate(_DASHES)
        text = _DEGREE.sub(" degree", text)
    if "\\" in text:
        if "frac" in text:
            text = _ONE_DIGIT_ABOVE.sub(r"\\frac{\1}", _FRACTION_COMMAND.sub(r"\\frac", text))
            text = _ONE_DIGIT_BELOW.sub(r"\1{\2}", text)
        text = _TEXT_COMMAND.sub(r" \1 ", text)
        text = _DEGREE.sub(" degree", text)
        text = text.replace("\\%", "%").replace("\\{", "{").replace("\\}", "}")
    if "\\" in text or "$" in text:
        text = _DROPPED.sub("", text)
    if "{,}" in text:
        text = text.replace("{,}", ",")
    text = _SPACED.sub(" ", text).strip()
    if " " in text:
        spaced, text = text, _LOOSE_SPACE.sub("", text)
        if ", " in spaced and _THOUSANDS.fullmatch(text):
            text = f"{{{text}}}"  # `1, 234` is two numbers, `1,234` is one
    text = text.rstrip(".") if text.endswith(".") else text
    if text.count("=") == 1 and (prefix := _LETTER_EQUALS.match(text)):
        text = text[prefix.end() :]
    return text[1:-1] if text[:1] == "{" and _is_group(text) else text


def _is_group(text: str) -> bool:
    """One pair of braces around everything, without a comma inside: LaTeX's grouping, or a set of one."""
    parts = _split(text[1:-1]) if text[-1] == "}" else None
    return parts is not None and len(parts) == 1


def _spell_out(character: str) -> str:
    """Characters whose compatibility form would change the value, in ASCII."""
    if character.isascii():
        return character
    kind, _, form = unicodedata.decomposition(character).partition(" ")
    if kind not in ("<super>", "<sub>", "<fraction>") or character in "ªº":
        return "°" if character == "º" else character
    plain = "".join(chr(int(code, 16)) for code in form.split())
    return {"<super>": f"^{{{plain}}}", "<sub>": f"_{{{plain}}}", "<fraction>": f" {plain} "}[kind]


@lru_cache(maxsize=16_384)
def _parse_short(text: str) -> Value:
    if _INTEGER.fullmatch(text):  # the path of most answers
        return Value("number", str(int(text)), True)
    return _parse(clean(text), 0)


def parse(text: str) -> Value:
    """What an answer says. Never raises; a pure function of the text."""
    return _parse_short(text) if len(text) <= 64 else _parse(clean(text), 0)


def _parse(text: str, depth: int) -> Value:
    """`text` is clean."""
    if not text:
        return Value("empty", "")
    if len(text) > LONGEST:
        return Value("text", text)
    return _number(text) or _quantity(text) or _list(text, depth) or Value("text", _text(text))


def _number(text: str, unit: str = "") -> Value | None:
    percent = text.endswith("%")
    written = rational(text[:-1] if percent else text)
    if written is None:
        return None
    return Value("percent", written + "%", True) if percent else Value("number", written, True, unit)


def rational(text: str) -> str | None:
    """`n` or `n/d` in lowest terms, if the text is an integer, decimal, thousands-separated number or fraction."""
    if _INTEGER.fullmatch(text):
        return str(int(text))
    if "," in text and _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if match := _DECIMAL.fullmatch(text):
        sign, whole, part = match.groups()
        part = part.rstrip("0")
        if not (whole or match[3]):
            return None
        return _lowest(int(f"{sign}{whole or 0}{part}"), 10 ** len(part)) if part else str(int(f"{sign}{whole or 0}"))
    if match := _SLASH.fullmatch(text):
        return _lowest(int(match[1]), int(match[2]))
    if match := _FRAC.fullmatch(text):
        return _lowest(int(match[2]) * (-1 if match[1] == "-" else 1), int(match[3]))
    return str(int(text)) if _INTEGER.fullmatch(text) else None


def _lowest(numerator: int, denominator: int) -> str | None:
    return str(Fraction(numerator, denominator)) if denominator else None


def _quantity(text: str) -> Value | None:
    """A number and a known unit word; a single letter counts only after a blank (`5 m`, not the product `5m`)."""
    match = _QUANTITY.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        return None
    unit = UNITS.get(match[2].strip().lower().replace("{", "").replace("}", ""))
    if unit is None:
        return None
    return _number(match[1] + "%") if unit == "percent" else _number(match[1], unit)


def _list(text: str, depth: int) -> Value | None:
    """A top-level comma list: ordered within parentheses or brackets, a multiset bare or within braces."""
    if depth > DEEPEST:
        return None
    inside = _split(text[1:-1]) if text[0] in _OPEN and text[-1] in _CLOSE else None
    if inside is not None and len(inside) == 1:
        return _parse(inside[0], depth + 1) if text[0] + text[-1] == "{}" else None
    brackets, parts = (text[0] + text[-1], inside) if inside else ("{}", _split(text))
    if not parts or len(parts) == 1 or not (brackets == "{}" or brackets in _ORDERED):
        return None
    values = [_parse(part, depth + 1) for part in parts]
    items = [value.canonical for value in values]
    if not all(items):
        return None
    if brackets == "{}":
        items.sort()
    written = brackets[0] + ",".join(items) + brackets[1]
    exact = all(v.exact for v in values)
    if not exact and clean(written) != written:
        return None  # a stray backslash or half a command meets the brackets; as text it stays what it is
    return Value("list", written, exact, brackets=brackets, size=len(items))


def _split(text: str) -> list[str] | None:
    """Parts between top-level commas; None where brackets do not balance.

    A parenthesis may close a bracket and the other way round, as in the half-open interval [1,2).
    """
    parts, start, level = [], 0, 0
    for i, character in enumerate(text):
        if character in _OPEN:
            level += 1
        elif character in _CLOSE:
            level -= 1
            if level < 0:
                return None
        elif character == "," and level == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]] if level == 0 else None


def _text(text: str) -> str:
    choice = _CHOICE.fullmatch(text)
    folded = text.lower()
    return choice[1] if choice else folded if folded in _CASELESS else text
