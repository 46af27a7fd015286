"""Matrices and vectors, in any of their brackets, as rows of elements."""

from __future__ import annotations

import re

_ENVIRONMENT = r"(?:[pbB]?matrix|[pb]?smallmatrix|array|[pbB]NiceMatrix)"
_MATRIX = re.compile(
    rf"[(\[{{|]?\\begin\{{({_ENVIRONMENT})\*?\}}(?:\[[a-z]\])?(\{{[lcr| ]*\}})?(.*)\\end\{{\1\*?\}}[)\]}}|]?"
    r"(?:\^\{?(T|\\top|\\intercal|\\prime|t)\}?)?",
    re.DOTALL,
)
_ROW_END = re.compile(r"\\\\(?:\[[0-9.a-z]*\])?|\\cr(?![a-z])")
_RULE = re.compile(r"\\hline")
_ANGLED = re.compile(r"(?:\\langle|<)(.*,.*)(?:\\rangle|>)", re.DOTALL)
_TRANSPOSED = re.compile(r"([(\[].*[)\]])\^\{?(?:T|\\top|\\intercal|\\prime|t)\}?", re.DOTALL)


def matrix_rows(text: str) -> list[list[str]] | None:
    """Elements by row; None for any other text, and for a determinant: bars are not brackets."""
    if "\\begin" not in text:
        return None
    match = _MATRIX.fullmatch(text)
    if match is None or text[0] == "|" or "\\begin" in match[3]:
        return None
    rows = [[cell.strip() for cell in row.split("&")] for row in _ROW_END.split(_RULE.sub("", match[3])) if row.strip()]
    if not rows or len({len(row) for row in rows}) != 1 or not all(cell for row in rows for cell in row):
        return None
    return [list(column) for column in zip(*rows, strict=True)] if match[4] else rows


def transposed(text: str) -> str | None:
    """The row within a transposed row vector `[1, 2]^T`."""
    match = _TRANSPOSED.fullmatch(text)
    return match[1] if match else None


def unangled(text: str) -> str | None:
    """`(1,2)` for `\\langle 1,2\\rangle`."""
    match = _ANGLED.fullmatch(text)
    return f"({match[1].strip()})" if match and match[1].count(",") == match[1].replace("<", "").count(",") else None
