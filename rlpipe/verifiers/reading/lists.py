"""Where a text falls into parts: at commas, semicolons, `and`, `or`, `=` and unions that stand in no bracket."""

from __future__ import annotations

import re

OPEN, CLOSE = "([{", ")]}"
ORDERED = frozenset(("()", "[]", "(]", "[)"))
_JOINING = re.compile(r",? ?(?<![A-Za-z])(?:and|or)(?![A-Za-z]) ?| & ")
_FORMAL = re.compile(r"[0-9=\\]|^[A-Za-z]$")


def split(text: str, at: str = ",") -> list[str] | None:
    """Parts between top-level signs; None where brackets do not balance.

    A parenthesis may close a bracket and the other way round, as in the half-open interval [1,2).
    """
    parts, start, level = [], 0, 0
    width = len(at)
    for i, character in enumerate(text):
        if character in OPEN:
            level += 1
        elif character in CLOSE:
            level -= 1
            if level < 0:
                return None
        elif level == 0 and character == at[0] and text.startswith(at, i) and i >= start:
            parts.append(text[start:i])
            start = i + width
    return [*parts, text[start:]] if level == 0 else None


def elements(text: str) -> list[str] | None:
    """The elements of a list without its brackets; a semicolon separates before a comma does."""
    if ";" in text and (parts := split(text, ";")) is not None and len(parts) > 1:
        return _trimmed(parts)
    if ("and" in text or "or" in text or "&" in text) and (joined := _joined(text)) is not None:
        return joined
    parts = split(text)
    return None if parts is None else _trimmed(parts)


def _trimmed(parts: list[str]) -> list[str]:
    parts = [part.strip() for part in parts]
    return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


def _joined(text: str) -> list[str] | None:
    """`2, 3 and 5`; words joined by `and` are one answer."""
    pieces = [piece for piece in _JOINING.split(text) if piece.strip(" ,")]
    if len(pieces) < 2 or not all(map(_FORMAL.search, (piece.strip() for piece in pieces))):
        return None
    parts = [split(piece.strip(" ,")) for piece in pieces]
    if any(part is None for part in parts):
        return None
    return _trimmed([element for part in parts for element in part or ()])
