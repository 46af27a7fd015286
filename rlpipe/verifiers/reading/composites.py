"""What has parts: lists, sets, unions, matrices and `\\pm`; each part is read by whoever reads the whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from rlpipe.verifiers.reading.lists import CLOSE, OPEN, ORDERED, elements, split
from rlpipe.verifiers.reading.matrices import matrix_rows, transposed, unangled
from rlpipe.verifiers.reading.names import base_name
from rlpipe.verifiers.reading.typography import clean
from rlpipe.verifiers.reading.value import Value

Read = Callable[[str, int], Value]  # clean text, and how deep it stands in others

_OR = re.compile(" or |(?<=[)\\]}0-9])or(?=[(\\[{])")


def read_matrix(text: str, depth: int, read: Read) -> Value | None:
    rows = matrix_rows(text)
    if rows is None:
        inside = transposed(text) or unangled(text)
        value = read(inside, depth + 1) if inside else None
        if value is None or value.brackets not in ("()", "[]"):
            return None
        return replace(value, brackets="()", canonical=f"({value.canonical[1:-1]})")
    cells = [[read(cell, depth + 2) for cell in row] for row in rows]
    return _ordered("[]", [_ordered("[]", row) for row in cells])


def _ordered(brackets: str, items: list[Value]) -> Value:
    written = brackets[0] + ",".join(item.canonical for item in items) + brackets[1]
    return Value("list", written, all(i.exact for i in items), brackets=brackets, items=tuple(items))


def read_union(text: str, depth: int, read: Read) -> Value | None:
    if "\\cup" not in text and "or" not in text:
        return None
    parts = re.split(r"\\cup(?![A-Za-z])", text) if "\\cup" in text else _OR.split(text)
    if len(parts) < 2:
        return None
    pieces = [read(clean(part), depth + 1) for part in parts]
    if not all(piece.is_interval or piece.brackets == "{}" or piece.kind == "number" for piece in pieces):
        return None
    if not any(piece.is_interval for piece in pieces) or len({piece.name for piece in pieces}) > 1:
        return None
    written = "\\cup".join(sorted(f"{{{p.canonical}}}" if p.kind == "number" else p.canonical for p in pieces))
    exact = all(piece.exact for piece in pieces)
    return Value("list", written, exact, name=pieces[0].name, brackets="∪", items=tuple(pieces), written=text)


def read_list(text: str, depth: int, read: Read) -> Value | None:
    """A top-level comma list: ordered within parentheses or brackets, a multiset bare or within braces."""
    brackets, parts = _brackets_and_parts(text)
    if parts is None:
        return None
    if len(parts) == 1:
        inside = read(clean(parts[0]), depth + 1)
        if text[0] in "{(" or (inside.kind == "number" and depth == 0):
            return inside
        return _ordered("[]", [inside]) if depth else None
    if not (brackets == "{}" or brackets in ORDERED):
        return None
    items = [read(clean(part), depth + 1) for part in parts]
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


def read_plus_minus(text: str, depth: int, read: Read) -> Value | None:
    if text.count("\\pm") != 1 or "\\mp" in text:
        return None
    signs = [read(clean(re.sub(r"\\pm ?", sign, text)), depth + 1) for sign in "+-"]
    written = ",".join(sorted(sign.canonical for sign in signs))
    exact = all(sign.exact for sign in signs)
    return Value("list", f"{{{written}}}", exact, brackets="{}", items=tuple(signs), written=text)
