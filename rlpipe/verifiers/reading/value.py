"""An answer, read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Kind = Literal["empty", "number", "percent", "mark", "list", "words", "text"]


@dataclass(frozen=True, slots=True)
class Value:
    """What an answer says. `canonical` decides equality; `exact` says that nothing is left to compute in it.

    A `mark` is written in digits and no arithmetic: a date, a clock time, a ratio, a range, a number in another base.
    `unit`, `name` (what stands before `=`) and `choice` (the letter of an option) are set aside: they count only where
    both sides have them. `brackets` are those of an ordered list (`()`, `[)`, ...), `{}` of a multiset, `∪` of a union;
    `items` are its elements as written, in order. `written` is the text with its name: an equation as a whole.
    """

    kind: Kind
    canonical: str
    exact: bool = False
    unit: str = ""
    name: str = ""
    choice: str = ""
    brackets: str = ""
    items: tuple[Value, ...] = ()
    written: str = ""

    @property
    def number(self) -> Fraction:
        return Fraction(self.canonical.rstrip("%"))

    @property
    def size(self) -> int:
        return len(self.items)

    @property
    def is_interval(self) -> bool:
        """Whether it can be one: two ends in round or square brackets."""
        return self.size == 2 and self.brackets in ("()", "[]", "(]", "[)")
