"""One clean text read: a number, a mark, a named value, an interval, a quantity, a list, words, or else a formula."""

from __future__ import annotations

import re
from dataclasses import replace

from rlpipe.verifiers.reading.composites import read_list, read_matrix, read_plus_minus, read_union
from rlpipe.verifiers.reading.intervals import as_interval, brackets_turned
from rlpipe.verifiers.reading.lists import elements, split
from rlpipe.verifiers.reading.names import exact_part, sides
from rlpipe.verifiers.reading.numbers.marks import read_mark
from rlpipe.verifiers.reading.numbers.numerals import rational
from rlpipe.verifiers.reading.numbers.quantities import read_amounts, read_quantity
from rlpipe.verifiers.reading.numbers.units import compatible
from rlpipe.verifiers.reading.typography import LONGEST, clean
from rlpipe.verifiers.reading.value import Value
from rlpipe.verifiers.reading.words import EMPTY_SET, INFINITY, read_words

DEEPEST = 6  # nested lists

_UNIT = re.compile(r"\\unit\{([^{}]*)\}")
_LETTER = re.compile("[A-J]")
_LETTERED = re.compile(r"([A-Z])(\([^()]+\))")
_TWICE = re.compile(r"([^()]+) ?\(=? ?([^()]+)\)")


def read(text: str, depth: int) -> Value:
    """`text` is clean."""
    if not text:
        return Value("empty", "")
    if len(text) > LONGEST or depth > DEEPEST:
        return Value("text", text)
    text = brackets_turned(text)
    if text[0] in "{Ø" and read_words(text):
        return _other(text)
    return (
        read_number(text)
        or _mark(text)
        or _named(text, depth)
        or _interval(text, depth)
        or read_matrix(text, depth, read)
        or _quantity(text, depth)
        or read_union(text, depth, read)
        or read_list(text, depth, read)
        or read_plus_minus(text, depth, read)
        or _restated(text)
        or _point(text, depth)
        or _other(text)
    )


def read_number(text: str, unit: str = "") -> Value | None:
    percent = text.endswith("%")
    written = rational(text[:-1].rstrip() if percent else text)
    if written is None:
        return None
    return (
        Value("percent", written + "%", True)
        if percent
        else Value("number", written, True, unit, written=text if "." in text else "")
    )


def _mark(text: str) -> Value | None:
    found = read_mark(text) or read_amounts(text)
    if found is None:
        return None
    if found.startswith("base ten "):
        return read_number(found.removeprefix("base ten "))
    return Value("mark", found, True)


def _named(text: str, depth: int) -> Value | None:
    """`x = 5` is 5 with the name x; an equation is text with its right side as its one item."""
    exact = exact_part(text)
    several = elements(text) if "=" in text else None
    found = None if several and len(several) > 1 else sides(exact)
    if found is None:
        return read(exact, depth + 1) if exact != text else _all_alike(text, depth)
    right = read(exact_part(found.right), depth + 1)
    between = [read(exact_part(part), depth + 1) for part in found.between]
    if any(part.exact and part.canonical != right.canonical for part in between):
        return Value("text", text, written=text)
    if found.simple and (not found.between or right.exact) and right.kind != "empty":
        return replace(right, name=found.left, written=text)
    return Value("text", text, brackets="=", items=(right,), written=text)


def _all_alike(text: str, depth: int) -> Value | None:
    """The number of `1/2 = 0.5`, all of whose sides are it."""
    parts = split(text, "=") if "=" in text else None
    values = [read_number(part.strip()) for part in parts or ()]
    if len(values) < 2 or not all(values) or len({value.canonical for value in values if value}) > 1:
        return None
    return values[0]


def _interval(text: str, depth: int) -> Value | None:
    found = as_interval(text)
    if found is None or found[0] == text:
        return None
    return replace(read(found[0], depth + 1), name=found[1], written=text)


def _quantity(text: str, depth: int) -> Value | None:
    found = read_quantity(text, rational)
    if found is None:
        return None
    value, unit = clean(found[0]), found[1]
    if unit == "percent":
        return read_number(value + "%")
    inside = read(value, depth + 1)
    if not compatible(inside.unit, unit) or inside.name or inside.kind not in ("number", "text", "list", "mark"):
        return None
    return replace(inside, unit=unit or inside.unit, written="")


def _restated(text: str) -> Value | None:
    """`7 (seven)`, `0.5 (1/2)`: a number and in brackets the same number."""
    match = _TWICE.fullmatch(text)
    first, second = (read_number(part) for part in match.groups()) if match else (None, None)
    return first if first is not None and second is not None and first.canonical == second.canonical else None


def _point(text: str, depth: int) -> Value | None:
    """`P(-1,3)`: the point with its letter."""
    match = _LETTERED.fullmatch(text)
    inside = read(match[2], depth + 1) if match else None
    return replace(inside, name=match[1]) if match and inside and inside.exact and inside.brackets == "()" else None


def _other(text: str) -> Value:
    """Words, or a formula; a sign before infinity is its own."""
    words = read_words(text)
    if words is not None:
        return Value("words", words, words in (EMPTY_SET, INFINITY))
    bare = text[1:] if text[0] == "+" and text[1:2] not in "+-" else text
    if bare in (INFINITY, "-" + INFINITY):
        return Value("words", bare, True)
    letter = text if _LETTER.fullmatch(text) else ""
    return Value("text", bare if bare and "\\unit" not in bare else _UNIT.sub(r" \1", text), choice=letter)
