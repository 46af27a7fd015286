"""The canonical form of an answer: equal answers, equal strings; exact rationals, never floats.

`clean` removes what is typography; `parse` reads what is left: numbers (`0.50`, `\\dfrac12` and `1/2` are all `1/2`),
quantities, dates and times, intervals, matrices, lists, words. Both are idempotent, so canonical forms can be counted,
voted on and stored. The parts are in `reading/`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from rlpipe.verifiers.reading.intervals import as_interval, brackets_turned
from rlpipe.verifiers.reading.lists import CLOSE, OPEN, ORDERED, elements, split
from rlpipe.verifiers.reading.marks import read_mark
from rlpipe.verifiers.reading.matrices import matrix_rows, transposed, unangled
from rlpipe.verifiers.reading.names import base_name, exact_part, sides
from rlpipe.verifiers.reading.numerals import DECIMAL, INTEGER, THOUSANDS, rational
from rlpipe.verifiers.reading.phrases import split_choice, without_phrases
from rlpipe.verifiers.reading.quantities import read_amounts, read_quantity
from rlpipe.verifiers.reading.typography import LONGEST, clean
from rlpipe.verifiers.reading.units import compatible, known
from rlpipe.verifiers.reading.value import Value
from rlpipe.verifiers.reading.words import EMPTY_SET, INFINITY, read_words

__all__ = ["LONGEST", "Value", "clean", "parse"]

DEEPEST = 6  # nested lists
ROUNDS = 8

_UNIT = re.compile(r"\\unit\{([^{}]*)\}")
_QUANTITY = re.compile(r"([+-]?[0-9]+)(?:\\text\{ ?([A-Za-z]{2,})\})")
_INTEGERS = re.compile(r"(?<=[A-Za-z0-9})]),? ?\(?[kmn]\\in ?\\mathbb\{[ZN]\}\)?$")  # of `k\pi, k \in \mathbb{Z}`
_TWICE = re.compile(r"([^()]+) ?\(=? ?([^()]+)\)")
_OR = re.compile(" or |(?<=[)\\]}0-9])or(?=[(\\[{])")
_LETTER = re.compile("[A-J]")


@lru_cache(maxsize=16_384)
def _parse_short(text: str) -> Value:
    if INTEGER.fullmatch(text):  # the path of most answers
        return Value("number", str(int(text)), True)
    return _plain(text) or _parse(text)


def _plain(text: str) -> Value | None:
    """The other usual ones, as `_parse` reads them: a decimal, thousands with commas, an integer and its unit."""
    if DECIMAL.fullmatch(text) or THOUSANDS.fullmatch(text):
        return _number(text)
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
    if (number := _number(cleaned := clean(text))) is not None:
        return number
    text = clean(without_phrases(text)) or cleaned
    for _ in range(4):
        if (shorter := clean(without_phrases(text)) or text) == text:
            break
        text = shorter
    text = _INTEGERS.sub("", text)
    return _option(text) or _read(text, 0)


def _option(text: str) -> Value | None:
    """The letter of an option, alone or with what it says."""
    found = split_choice(text) if text[:1] in "([ABCDEFGHIJOoc" and text else None
    if found is None:
        return None
    letter, rest = found
    if not rest:
        written = text.strip("()[]")[-1:] if text[-1:] in ")]" else letter
        return Value("words", written if written.isalpha() else letter, True, choice=letter)
    return replace(_read(clean(rest), 1), choice=letter)


def _read(text: str, depth: int) -> Value:
    """`text` is clean."""
    if not text:
        return Value("empty", "")
    if len(text) > LONGEST or depth > DEEPEST:
        return Value("text", text)
    text = brackets_turned(text)
    if text[0] in "{Ø" and read_words(text):
        return _other(text)
    return (
        _number(text)
        or _mark(text)
        or _named(text, depth)
        or _interval(text, depth)
        or _matrix(text, depth)
        or _quantity(text, depth)
        or _union(text, depth)
        or _list(text, depth)
        or _plus_minus(text, depth)
        or _restated(text)
        or _other(text)
    )


def _number(text: str, unit: str = "") -> Value | None:
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
        return _number(found.removeprefix("base ten "))
    return Value("mark", found, True)


def _named(text: str, depth: int) -> Value | None:
    """`x = 5` is 5 with the name x; an equation is text with its right side as its one item."""
    exact = exact_part(text)
    several = elements(text) if "=" in text else None
    found = None if several and len(several) > 1 else sides(exact)
    if found is None:
        return _read(exact, depth + 1) if exact != text else _all_alike(text, depth)
    right = _read(exact_part(found.right), depth + 1)
    between = [_read(exact_part(part), depth + 1) for part in found.between]
    if any(part.exact and part.canonical != right.canonical for part in between):
        return Value("text", text, written=text)
    if found.simple and (not found.between or right.exact) and right.kind != "empty":
        return replace(right, name=found.left, written=text)
    return Value("text", text, brackets="=", items=(right,), written=text)


def _all_alike(text: str, depth: int) -> Value | None:
    """The number of `1/2 = 0.5`, all of whose sides are it."""
    parts = split(text, "=") if "=" in text else None
    values = [_number(part.strip()) for part in parts or ()]
    if len(values) < 2 or not all(values) or len({value.canonical for value in values if value}) > 1:
        return None
    return values[0]


def _interval(text: str, depth: int) -> Value | None:
    found = as_interval(text)
    if found is None or found[0] == text:
        return None
    return replace(_read(found[0], depth + 1), name=found[1], written=text)


def _matrix(text: str, depth: int) -> Value | None:
    rows = matrix_rows(text)
    if rows is None:
        inside = transposed(text) or unangled(text)
        value = _read(inside, depth + 1) if inside else None
        if value is None or value.brackets not in ("()", "[]"):
            return None
        return replace(value, brackets="()", canonical=f"({value.canonical[1:-1]})")
    read = [[_read(cell, depth + 2) for cell in row] for row in rows]
    return _ordered("[]", [_ordered("[]", row) for row in read])


def _ordered(brackets: str, items: list[Value]) -> Value:
    written = brackets[0] + ",".join(item.canonical for item in items) + brackets[1]
    return Value("list", written, all(i.exact for i in items), brackets=brackets, items=tuple(items))


def _quantity(text: str, depth: int) -> Value | None:
    found = read_quantity(text, rational)
    if found is None:
        return None
    value, unit = clean(found[0]), found[1]
    if unit == "percent":
        return _number(value + "%")
    inside = _read(value, depth + 1)
    if not compatible(inside.unit, unit) or inside.name or inside.kind not in ("number", "text", "list", "mark"):
        return None
    return replace(inside, unit=unit or inside.unit, written="")


def _union(text: str, depth: int) -> Value | None:
    if "\\cup" not in text and "or" not in text:
        return None
    parts = re.split(r"\\cup(?![A-Za-z])", text) if "\\cup" in text else _OR.split(text)
    if len(parts) < 2:
        return None
    pieces = [_read(clean(part), depth + 1) for part in parts]
    if not all(piece.is_interval or piece.brackets == "{}" or piece.kind == "number" for piece in pieces):
        return None
    if not any(piece.is_interval for piece in pieces) or len({piece.name for piece in pieces}) > 1:
        return None
    written = "\\cup".join(sorted(f"{{{p.canonical}}}" if p.kind == "number" else p.canonical for p in pieces))
    exact = all(piece.exact for piece in pieces)
    return Value("list", written, exact, name=pieces[0].name, brackets="∪", items=tuple(pieces), written=text)


def _list(text: str, depth: int) -> Value | None:
    """A top-level comma list: ordered within parentheses or brackets, a multiset bare or within braces."""
    brackets, parts = _brackets_and_parts(text)
    if parts is None:
        return None
    if len(parts) == 1:
        inside = _read(clean(parts[0]), depth + 1)
        if text[0] in "{(" or (inside.kind == "number" and depth == 0):
            return inside
        return _ordered("[]", [inside]) if depth else None
    if not (brackets == "{}" or brackets in ORDERED):
        return None
    items = [_read(clean(part), depth + 1) for part in parts]
    if not all(item.canonical for item in items):
        return None
    name, items = _common_name(items)
    written = [f"{item.name}={item.canonical}" if item.name else item.canonical for item in items]
    if brackets == "{}":
        written.sort()
    canonical = brackets[0] + ",".join(written) + brackets[1]
    exact = all(item.exact for item in items)
    if not exact and clean(canonical) != canonical:
        return None  # a stray backslash or half a command meets the brackets; as text it stays what it is
    unit = "+".join(sorted({item.unit for item in items if item.unit}))
    return Value("list", canonical, exact, unit, name, brackets=brackets, items=tuple(items), written=text)


def _brackets_and_parts(text: str) -> tuple[str, list[str] | None]:
    inside = elements(text[1:-1]) if text[0] in OPEN and text[-1] in CLOSE else None
    if (
        inside is not None
        and split(text[1:-1], "\0") is not None
        and (len(inside) > 1 or text[0] + text[-1] in ("{}", "()", "[]"))
    ):
        return text[0] + text[-1], inside
    parts = elements(text)
    return "{}", parts if parts and len(parts) > 1 else None


def _common_name(items: list[Value]) -> tuple[str, list[Value]]:
    """`x = 2, x = 3` and `x = 2, 3` are values of x; `x = 2, y = 3` keep their names."""
    names = {base_name(item.name) for item in items}
    if len(names) == 1 or (
        items[0].name and names == {base_name(items[0].name), ""} and not any(i.name for i in items[1:])
    ):
        return base_name(items[0].name), [replace(item, name="") for item in items]
    return "", items


def _plus_minus(text: str, depth: int) -> Value | None:
    if text.count("\\pm") != 1 or "\\mp" in text:
        return None
    signs = [_read(clean(re.sub(r"\\pm ?", sign, text)), depth + 1) for sign in "+-"]
    written = ",".join(sorted(sign.canonical for sign in signs))
    exact = all(sign.exact for sign in signs)
    return Value("list", f"{{{written}}}", exact, brackets="{}", items=tuple(signs), written=text)


def _restated(text: str) -> Value | None:
    """`7 (seven)`, `0.5 (1/2)`: a number and in brackets the same number."""
    match = _TWICE.fullmatch(text)
    first, second = (_number(part) for part in match.groups()) if match else (None, None)
    return first if first is not None and second is not None and first.canonical == second.canonical else None


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
