"""The canonical form of an answer: equal answers, equal strings; exact rationals, never floats.

`clean` removes what is typography; `parse` reads what is left: numbers (`0.50`, `\\dfrac12` and `1/2` are all `1/2`),
quantities, dates and times, intervals, matrices, lists, words. Both are idempotent, so canonical forms can be counted,
voted on and stored. The parts are in `reading/`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from rlpipe.verifiers.reading.numbers.numerals import DECIMAL, INTEGER, THOUSANDS
from rlpipe.verifiers.reading.numbers.units import known
from rlpipe.verifiers.reading.phrases import split_choice, without_phrases
from rlpipe.verifiers.reading.reader import read, read_number
from rlpipe.verifiers.reading.typography import LONGEST, clean
from rlpipe.verifiers.reading.value import Value

__all__ = ["LONGEST", "Value", "clean", "parse"]

ROUNDS = 8

_QUANTITY = re.compile(r"([+-]?[0-9]+)(?:\\text\{ ?([A-Za-z]{2,})\})")
_INTEGERS = re.compile(r"(?<=[A-Za-z0-9})]),? ?\(?[kmn]\\in ?\\mathbb\{[ZN]\}\)?$")  # of `k\pi, k \in \mathbb{Z}`


@lru_cache(maxsize=16_384)
def _parse_short(text: str) -> Value:
    if INTEGER.fullmatch(text):  # the path of most answers
        return Value("number", str(int(text)), True)
    return _plain(text) or _parse(text)


def _plain(text: str) -> Value | None:
    """The other usual ones, as `_parse` reads them: a decimal, thousands with commas, an integer and its unit."""
    if DECIMAL.fullmatch(text) or THOUSANDS.fullmatch(text):
        return read_number(text)
    quantity = _QUANTITY.fullmatch(text)
    unit = known(quantity[2]) if quantity else None
    return Value("number", str(int(quantity[1])), True, unit) if quantity and unit and unit != "percent" else None


def parse(text: str) -> Value:
    """What an answer says. Never raises; a pure function of the text."""
    return _parse_short(text) if len(text) <= 64 else _parse(text)


def _parse(text: str) -> Value:
    """What `_parse_once` says, read again until it says the same: formulas in pieces can become readable."""
    value = _parse_once(text)
    for _ in range(ROUNDS):
        if value.kind in ("empty", "number", "percent", "mark"):
            break
        again = _parse_once(value.canonical)
        if again.canonical == value.canonical:
            break
        value = replace(again, unit=value.unit or again.unit, name=value.name or again.name)
    return value


def _parse_once(text: str) -> Value:
    if len(text) > LONGEST:
        return Value("text", text)
    if (number := read_number(cleaned := clean(text))) is not None:
        return number
    text = clean(without_phrases(text)) or cleaned
    for _ in range(4):
        if (shorter := clean(without_phrases(text)) or text) == text:
            break
        text = shorter
    text = _INTEGERS.sub("", text)
    return _option(text) or read(text, 0)


def _option(text: str) -> Value | None:
    """The letter of an option, alone or with what it says."""
    found = split_choice(text) if text[:1] in "([ABCDEFGHIJOoc" and text else None
    if found is None:
        return None
    letter, rest = found
    if not rest:
        written = text.strip("()[]")[-1:] if text[-1:] in ")]" else letter
        return Value("words", written if written.isalpha() else letter, True, choice=letter)
    return replace(read(clean(rest), 1), choice=letter)
