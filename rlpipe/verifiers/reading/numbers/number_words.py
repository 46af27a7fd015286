"""Numbers in English words."""

from __future__ import annotations

import re
from fractions import Fraction

_SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_SMALL += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_CARDINALS = {word: i for i, word in enumerate(_SMALL)} | {word: 10 * i for i, word in enumerate(_TENS, 2)}
_POWERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SIZES = {"dozen": 12, "hundred": 100, **_POWERS}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
_PARTS |= {"ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100, "thousandth": 1000}
_PLURAL_PARTS = {f"{word}s": n for word, n in _PARTS.items()} | {"halves": 2}
# A number that stands beside one of these is not the number alone.
NUMERIC = frozenset(
    (*_CARDINALS, *_SIZES, *(f"{w}s" for w in _SIZES), *_PARTS, *_PLURAL_PARTS, "fourty", "score", "gross")
)
_SCALED = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?) (dozen|hundred|thousand|million|billion|trillion)")
_WORDY = re.compile(r"[a-z]+(?:[ -][a-z]+)*")


def from_words(text: str) -> Fraction | None:
    """The value of `twenty-one`, `two thirds`, `minus five`, `1.5 million`; None for any other text (64 characters)."""
    text = text.strip().lower()
    if len(text) > 64:
        return None
    if scaled := _SCALED.fullmatch(text):
        return Fraction(scaled[1]) * _SIZES[scaled[2]]
    if not _WORDY.fullmatch(text):
        return None
    words = re.split("[ -]", text)
    negative = words[0] in ("negative", "minus")
    value = _unsigned(words[negative:])
    return value if value is None or not negative else -value


def _unsigned(words: list[str]) -> Fraction | None:
    if words == ["half", "a", "dozen"]:
        return Fraction(6)
    if words == ["half"]:
        return Fraction(1, 2)
    parts = _PARTS if words[:-1] in (["one"], ["a"]) else _PLURAL_PARTS
    if len(words) > 1 and words[-1] in parts:
        above = 1 if words[:-1] == ["a"] else _cardinal(words[:-1])
        return None if above is None else Fraction(above, parts[words[-1]])
    if "and" in words and words[-1] in {**_PARTS, **_PLURAL_PARTS}:  # two and a half
        place = words.index("and")
        whole, part = _cardinal(words[:place]), _unsigned(words[place + 1 :])
        return None if whole is None or part is None else whole + part
    whole = _cardinal(words)
    return None if whole is None else Fraction(whole)


def _cardinal(words: list[str]) -> int | None:
    """Additive below a power of a thousand, as `two hundred and five thousand`; sizes have to fall."""
    if words[:1] == ["a"] and len(words) > 1 and words[1] in _SIZES:
        words = ["one", *words[1:]]
    total, group, last = 0, None, ""
    smallest = 10**15
    for word in words:
        if word == "and" and last in _SIZES:
            continue
        if word in _CARDINALS:
            value = _CARDINALS[word]
            if last in _CARDINALS and not (last in _TENS and 0 < value < 10):
                return None
            group = (group or 0) + value
        elif word in ("hundred", "dozen") and group and group < 100 and last in _CARDINALS:
            group *= _SIZES[word]
        elif word in _POWERS and group and _POWERS[word] < smallest:
            smallest = _POWERS[word]
            total, group = total + group * smallest, None
        else:
            return None
        last = word
    return None if not last or last == "and" else total + (group or 0)
