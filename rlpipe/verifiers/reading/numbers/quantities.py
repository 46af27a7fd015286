"""A value and its unit: money with its sign, units in words, in roman type, as fractions and products, things counted."""

from __future__ import annotations

import re
from collections.abc import Callable

from rlpipe.verifiers.reading.numbers.number_words import NUMERIC, from_words
from rlpipe.verifiers.reading.numbers.units import CHINESE, is_letter, known, parse_unit

LONGEST = 160

_BEFORE = re.compile(r"([+-]?)(US\\\$|\\\$|[€£¥₹₩₽]|(?:USD|EUR|GBP|CNY|RMB|INR|JPY|Rs\.?)(?![A-Za-z])) ?([+-]?)(.+)")
# Where a unit may begin: in roman type, in brackets, as a sign, as a word of two letters, or after a blank.
_START = re.compile(
    r"(?<=[0-9}])(?=\((?:\\unit|[A-Za-z]{2,}))"
    r"|(?<=[0-9})]) ?(?=[kM]?\\Omega|\\mu ?\\unit)"
    r"|(?<=[0-9A-Za-z})\]%!]) ?(?=\\unit\{|\\frac\{\(?\\unit)"
    r"|(?<=[0-9})\]]) ?(?=[A-Za-z]{2,}|\\\$|[€£¥₹元円¢₩₽])"
    r"|(?<=[0-9A-Za-z})\]]) (?=\(?[A-Za-z\\])"
)
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:\\unit\{)?([A-Za-z]+)\}?")
_AMOUNTS = re.compile(rf"{_AMOUNT.pattern}(?:,? ?(?:and ?)?{_AMOUNT.pattern}){{1,3}}")
# Not the characters that are numbers themselves.
_CHINESE = re.compile(
    "([+-]?[0-9][0-9.,/]*) ?((?:(?![一二三四五六七八九十百千万亿半分之倍多余])[\u4e00-\u9fff]|千克|千米|分钟){1,6})"
)
_WORD_AFTER = re.compile("[0-9] [A-Za-z]{2,}$")
_COUNTED = re.compile(
    r"([+-]?[0-9][0-9.,/]*|[+-]?\\frac\{[0-9]+\}\{[0-9]+\}|[A-Za-z-]+)[ ]?\(?([A-Za-z][A-Za-z' -]*)\)?"
)
# Words after a number that change it, deny it or go on.
_CHANGING = """or and not no nor but mod modulo base to through than is are was be if except more less minus plus over under
factorial squared cubed root power double triple percent percentage percents pct infinity wait maybe either wrong incorrect
false invalid guess approximately about around almost roughly remainder per sqrt sin cos tan log ln pi negative"""
_NOT_COUNTED = NUMERIC | frozenset(_CHANGING.split()) | frozenset("bcdefghijklmnopqrstuvwxyz")


def split_unit(text: str) -> tuple[str, str] | None:
    """The value and the unit of a quantity, as text and as one spelling; None for what has no unit.

    A single letter is a unit after a blank behind a number, or in roman type: `5 m`, not the product `5m`.
    """
    if len(text) > LONGEST:
        return None
    text = text.replace("per cent", "percent")
    if money := _BEFORE.fullmatch(text):
        unit = known(money[2].removeprefix("US") if "$" in money[2] else money[2])
        return (money[1] or money[3]) + money[4], unit or ""
    for match in _START.finditer(text):
        value, written = text[: match.start()], text[match.end() :]
        unit = _unit(value, written)
        if unit is not None and (from_words(value) is not None or not _WORD_AFTER.search(value)):
            return value.rstrip(), unit
    return _counted(text)


def _unit(value: str, written: str) -> str | None:
    if re.fullmatch(r"[A-Za-z]", written) and not (
        is_letter(written) and re.fullmatch(r"[+-]?[0-9.,/]+|[+-]?\\frac\{[0-9]+\}\{[0-9]+\}", value)
    ):
        return None
    return parse_unit(written[1:-1] if written[:1] == "(" and written[-1] == ")" else written)


def _counted(text: str) -> tuple[str, str] | None:
    if chinese := _CHINESE.fullmatch(text):
        return chinese[1], CHINESE.get(chinese[2], f"~{chinese[2]}")
    match = _COUNTED.fullmatch(text)
    if match is None:
        return None
    words = match[2].lower().split()
    if len(words) > 4 or any(word.strip("'") in _NOT_COUNTED for word in words) or not any(len(w) > 2 for w in words):
        return None
    if any(part in NUMERIC for word in words for part in word.split("-")):
        return None
    return match[1], "~" + " ".join(map(_singular, words))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def read_amounts(text: str) -> str | None:
    """The one spelling of an amount in several units, `2 h 30 min` for `2 hours and 30 minutes`."""
    if len(text) > 64 or not _AMOUNTS.fullmatch(text):
        return None
    found = [(number, known(unit)) for number, unit in _AMOUNT.findall(text)]
    units = [unit for _, unit in found if unit is not None]
    if len(set(units)) < len(found) or len(found) < 2:
        return None
    return " ".join(f"{number} {unit}" for number, unit in found)


def read_quantity(text: str, number: Callable[[str], str | None]) -> tuple[str, str] | None:
    """`split_unit` of which `number` reads the value; for counted things it has to."""
    found = split_unit(text)
    if found is None or (found[1].startswith("~") and number(found[0]) is None):
        return None
    return found
