"""What stands on the left of an answer: `x =`, `AB =`, `P(A) =`, `x \\in`, and whether two such names are one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rlpipe.verifiers.reading.lists import split

_END = "(?![A-Za-z])"
_GREEK = rf"\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|phi|varphi|omega|tau|ell|Delta|Omega|Phi|Sigma){_END}"
_LETTERS = rf"(?:[A-Za-z]{{1,4}}|{_GREEK}|\\mathbb\{{[A-Z]\}})"
_INDEX = r"(?:_(?:\{[^{}]*\}|[A-Za-z0-9])|'|\^\{?(?:-1|\*|\\prime)\}?|\^\{\(?[a-z0-9]\)?\})"
_APPLIED = r"(?:\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])"
_MARKED = r"\\?(?:overline|overrightarrow|vec|hat|bar|widehat|overset\{[^{}]*\}) ?\{[A-Za-z]{1,3}\}"
_FUNCTIONS = r"\\(?:sin|cos|tan|cot|sec|csc|log|ln|max|min|gcd|lcm|det|dim|deg|ker|arg)"
_NAMES = (
    rf"{_LETTERS}{_INDEX}*{_APPLIED}?",
    rf"(?:m ?)?\\(?:angle|triangle|square|odot){_END} ?[A-Za-z0-9]{{1,4}}",
    r"\\Delta ?[A-Za-z]",
    rf"\|?{_MARKED}\|?",
    r"\|[A-Za-z]{1,3}(?:_[0-9])?\|",
    rf"{_FUNCTIONS}{_END}(?:\^2)? ?(?:\(?(?:[A-Za-z]{{1,3}}|{_GREEK})\)?)?{_APPLIED}?",
    r"\\frac\{d(?:\^2)?[a-z]?\}\{d[a-z](?:\^2)?\}",
    rf"[A-Za-z]+(?:[ '-][A-Za-z]+){{1,6}}{_APPLIED}?",
    rf"[A-Za-z]{{5,}}{_APPLIED}?",
    r"\([a-z](?:,[a-z])+\)",
)
_NAME = re.compile("|".join(_NAMES))
_COMMAND = re.compile(r"\\[A-Za-z]+")
_SEGMENT = re.compile(r"[0-9]+[A-Z]{2,3}|[A-Z]{2,3}\^.*")  # AB is asked for, not AB^2
_SYMBOL = re.compile(r"[A-Za-z](?:_(?:\{[^{}]*\}|[A-Za-z0-9])|')?")
_SPOKEN = re.compile(r"[A-Za-z]{3,}|[A-Za-z]+ [A-Za-z ]+")
_FUNCTION = re.compile(r"y|[fghFG](?:_\{?[0-9n]\}?)?\([a-z]\)|[fgh]")
_MEMBER = re.compile(r"(.+?)\\in(?![A-Za-z]) ?(.+)", re.DOTALL)
_NEAR = re.compile(r"(.*?)\\(?:approx|simeq|doteq)(?![A-Za-z]) ?(.+)", re.DOTALL)


@dataclass(frozen=True)
class Sides:
    """An equation: what is on the left, the parts between, the last part. `simple`: the left is a name."""

    left: str
    between: tuple[str, ...]
    right: str
    simple: bool


def sides(text: str) -> Sides | None:
    """The sides of `left = ... = right` where the left has a letter; None for any other text."""
    if "\\in" in text and (member := _MEMBER.fullmatch(text)) and is_name(member[1]) and "|" not in member[1]:
        return Sides(member[1].strip(), (), member[2], True)
    if "=" not in text:
        return None
    parts = split(text, "=")
    if parts is None or len(parts) < 2 or not all(part.strip() for part in parts):
        return None
    left, *between, right = (part.strip() for part in parts)
    if not between and is_name(right) and not is_name(left):
        left, right = right, left
    if not between and not _has_letter(left):
        left, right = right, left
    if not _has_letter(left):
        return None
    return Sides(left, tuple(between), right, is_name(left))


def _has_letter(text: str) -> bool:
    return (
        re.search("[A-Za-z]", re.sub(r"\\(?:frac|sqrt|times|cdot|div|pi|unit\{[^{}]*\})(?![A-Za-z])", "", text))
        is not None
    )


def exact_part(text: str) -> str:
    """What is exact in `1/3 \\approx 0.33`; the value of `x \\approx 3` or `\\approx 3`."""
    if "\\approx" not in text and "\\simeq" not in text and "\\doteq" not in text:
        return text
    match = _NEAR.fullmatch(text)
    if match is None:
        return text
    left = match[1].strip()
    return match[2].strip() if not left or is_name(left) else left


def is_name(text: str) -> bool:
    return len(text) <= 60 and _NAME.fullmatch(text.strip()) is not None


def same_name(one: str, other: str) -> bool:
    """Whether two left sides may name the same: words name anything, `AB` is `BA`, `y` is `f(x)`."""
    if not one or not other or one == other:
        return True
    one, other = (re.sub(r"[{}\s]|\\overline|\\mathbb|\|", "", name) for name in (one, other))
    if one == other or (sorted(one) == sorted(other) and one.isalpha() and one.isupper()):
        return True
    if _SPOKEN.fullmatch(one) or _SPOKEN.fullmatch(other):
        return True
    if _FUNCTION.fullmatch(one) and _FUNCTION.fullmatch(other):
        return True
    if base_name(one) == other or base_name(other) == one:
        return True
    return one.lower() == other.lower() or one.partition("(")[0] == other or other.partition("(")[0] == one


def is_constant(text: str) -> bool:
    """Whether no unknown is in a formula: letters within commands, e and i aside."""
    return not re.search("[A-DF-HJ-Za-df-hj-z]", _COMMAND.sub("", text))


def is_value_of_several(equation: str) -> bool:
    """Whether an equation says what something has for a value, as `a+b=5`; `2x=5` asks to be solved instead."""
    left = equation.partition("=")[0]
    left = left if _has_letter(left) else equation.rpartition("=")[2]
    if _SEGMENT.fullmatch(left) or re.search("[A-Za-z]{4,}", _COMMAND.sub(" ", left)):
        return False
    symbols = set(_SYMBOL.findall(_COMMAND.sub(" ", left)))
    return len(symbols) != 1 or re.search(r"[A-Za-z]{2}|[fghPE]\(", _COMMAND.sub(" ", left)) is not None


def in_order(name: str) -> bool:
    """False for `(y,x)`, whose values are not those of `(x,y)` in their order."""
    return not name.startswith("(") or name == "(" + ",".join(sorted(name[1:-1].split(","))) + ")"


def base_name(name: str) -> str:
    """`x` of `x_1`, so that the roots x_1, x_2 are one list."""
    return re.sub(r"_(?:\{[0-9]+\}|[0-9]+)$", "", name)
