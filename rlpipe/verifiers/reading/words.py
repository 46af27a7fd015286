"""Names, verdicts and other answers in words: one spelling whatever their case, quotation or article."""

from __future__ import annotations

import re

from rlpipe.verifiers.reading.numbers.number_words import NUMERIC

_WORDS = re.compile(r"[^\W\d_]+(?:[ '’,-]+[^\W\d_]+)*[!?]?")
_WITH_DIGITS = re.compile(r"[^\W\d_]{3,}(?: [^\W_]+)+")
_FUNCTIONS = re.compile(
    r"(?<![a-z])(?:sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|lim|max|min|mod|gcd|lcm|or|and)(?![a-z])"
)
_SHORT = frozenset(("no", "yes", "up", "on"))
_EMPTY = frozenset(
    (
        "no solution",
        "no solutions",
        "no real solution",
        "no real solutions",
        "empty set",
        "empty",
        "null set",
        "there is no solution",
        "there are no solutions",
    )
)
_SAME = {
    "dne": "does not exist",
    "infinite": "infinity",
    "inf": "infinity",
    "undef": "undefined",
    "not defined": "undefined",
}
_SAME |= {"true": "true", "correct": "correct"}
_EMPTY_SIGN = re.compile(r"Ø|ø|\\emptyset|\{ ?\}|\{ ?\\emptyset ?\}")
EMPTY_SET = "\\emptyset"
INFINITY = "\\infty"


def read_words(text: str) -> str | None:
    """The one spelling of an answer in words; None for formulas, single letters and products of two letters.

    Multiplied as letters words would be equal in any order, so they are names.
    """
    text = text.strip("\"'` ")
    if _EMPTY_SIGN.fullmatch(text):
        return EMPTY_SET
    if not (_WORDS.fullmatch(text) or _WITH_DIGITS.fullmatch(text)) or "\\" in text:
        return None
    folded = " ".join(text.lower().rstrip("!?").split())
    folded = re.sub("^(?:the|an|a) (?=[a-z]{3})", "", folded)
    folded = re.sub(r"^(?:on|in|at) (?=[^\W\d_]{3,}$)", "", folded)
    folded = folded.replace("non-", "non")
    folded = _SAME.get(folded, folded)
    if folded in _EMPTY:
        return EMPTY_SET
    if folded == "infinity":
        return INFINITY
    letters = sum(character.isalpha() for character in folded)
    if letters < 3 and folded not in _SHORT:
        return None
    return (
        None
        if _FUNCTIONS.search(folded) and (" " in folded or len(folded) < 4) and NUMERIC.isdisjoint(folded.split())
        else folded
    )
