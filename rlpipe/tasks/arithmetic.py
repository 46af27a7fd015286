"""Arithmetic modulo p, and the words that countdown and expression problems share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
COMMUTATIVE = frozenset("+*")
AND, STEP = "and", ";"  # between problems of one prompt, and between steps of one solution


def apply(a: int, op: str, b: int, modulus: int) -> int:
    """`a op b`, reduced to 0 .. modulus - 1."""
    return OPERATIONS[op](a, b) % modulus


def modulus_word(modulus: int) -> str:
    return f"mod{modulus}"


def is_number(word: str, modulus: int) -> bool:
    """True for the words 0 .. modulus - 1 in ASCII digits, without sign or leading zeros."""
    return re.fullmatch(r"0|[1-9][0-9]{0,3}", word) is not None and int(word) < modulus


def words(moduli: Sequence[int]) -> list[str]:
    """Numbers, operators, separators and modulus words of problems with these moduli."""
    return [
        *(str(n) for n in range(max(moduli))),
        *OPERATIONS,
        "=",
        STEP,
        AND,
        *(modulus_word(p) for p in sorted(set(moduli))),
    ]


def split(items: Sequence[str], separator: str) -> list[list[str]]:
    """Words cut at every `separator`; n separators give n + 1 lists, some of them possibly empty."""
    parts: list[list[str]] = [[]]
    for item in items:
        if item == separator:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts
