"""A calculator inside the policy's turn: it writes `3 + 4 =`, and the result stands there before it goes on.

Reckons modulo p where the prompt says so (`mod5`), as the arithmetic families do, and exactly elsewhere. What it cannot
read is answered by `?`. The policy stays free to end its turn without a call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rlpipe.types import Message, Prompt

OPERATION = re.compile(r"(?<![\d./])(-?\d{1,12}(?:/\d{1,12})?)\s*([-+*/])\s*(-?\d{1,12}(?:/\d{1,12})?)\s*=\s*$")
MODULUS = re.compile(r"\bmod(\d+)\b")
UNREADABLE = "?"


@dataclass(frozen=True)
class Calculator:
    """A state is the modulus of the prompt, or None."""

    stop: tuple[str, ...] = ("=",)

    def start(self, prompt: Prompt) -> int | None:
        found = MODULUS.search(prompt.text)
        return int(found[1]) if found and int(found[1]) > 0 else None

    def reply(self, state: int | None, text: str) -> tuple[int | None, Sequence[Message] | None]:
        """The value of the operation that ends the text; None where the turn ended without a call."""
        if not text.rstrip().endswith("="):
            return state, None
        return state, [{"role": "inline", "content": f" {value(text, state)}"}]


def value(text: str, modulus: int | None) -> str:
    """`a op b` before the last `=`, reduced to 0 .. modulus - 1 where there is a modulus."""
    found = OPERATION.search(text)
    if found is None:
        return UNREADABLE
    left, right = Fraction(found[1]), Fraction(found[3])
    if found[2] == "/" and (right == 0 or modulus is not None):
        return UNREADABLE
    result = {"+": left + right, "-": left - right, "*": left * right}.get(found[2])
    result = left / right if result is None else result
    return str(result if modulus is None else result % modulus)


def calculator() -> Calculator:
    return Calculator()
