"""Intervals, however they are written: reversed brackets, inequalities in one variable, sets with a condition."""

from __future__ import annotations

import re
from fractions import Fraction

from rlpipe.verifiers.reading.numbers.numerals import rational

_REVERSED = re.compile(r"([\[\](])([^\[\]()]+(?:\([^()]*\))?[^\[\]()]*)([\[\])])")
_RELATION = re.compile(r"\\le(?![A-Za-z])|\\ge(?![A-Za-z])|\\ne(?![A-Za-z])|[<>]")
_VARIABLE = re.compile(
    r"(?:[A-Za-z]|\\(?:theta|alpha|beta|lambda|phi|omega|mu)(?![A-Za-z]))(?:_\{?[A-Za-z0-9]\}?)?|[fgh]\([a-z]\)"
)
_BARS = re.compile(r"\|([A-Za-z])\|")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_CONDITION = re.compile(r"\{ ?\(?([A-Za-z])\)?(?: ?\\in ?(?:\\mathbb\{R\}|R))? ?(?:\||:|;) ?(.*)\}", re.DOTALL)
_REALS = frozenset(
    (
        "\\mathbb{R}",
        "all real numbers",
        "all reals",
        "the real numbers",
        "real numbers",
        "all real",
        "set of all real numbers",
    )
)
_WITHOUT = re.compile(r"\\mathbb\{R\} ?(?:\\setminus|\\backslash|-|/) ?\{([^{},]+)\}")
LINE = "(-\\infty,\\infty)"


def brackets_turned(text: str) -> str:
    """`(0,1)` for `]0,1[`; the text itself where no bracket is turned."""
    if "]" not in text[:1] and "[" not in text[-1:]:
        return text
    match = _REVERSED.fullmatch(text)
    if match is None:
        return text
    left, right = {"]": "("}.get(match[1], match[1]), {"[": ")"}.get(match[3], match[3])
    return f"{left}{match[2]}{right}"


def as_interval(text: str) -> tuple[str, str] | None:
    """The interval that an inequality describes, and the name of its variable; None where it is no such thing."""
    if text.lower() in _REALS:
        return LINE, ""
    if hole := _WITHOUT.fullmatch(text):
        return f"(-\\infty,{hole[1]})\\cup({hole[1]},\\infty)", ""
    if text[:1] == "{" and (found := _CONDITION.fullmatch(text)):
        inside = as_interval(_joined(found[2].strip(), found[1]))
        return (inside[0], "") if inside and inside[1] in (found[1], "") else None
    return _inequality(_joined(text, None))


def _joined(text: str, variable: str | None) -> str:
    """`x>1 and x<2` as one chain `1<x<2`."""
    parts = re.split(r" ?(?: and |,|&) ?", text)
    if len(parts) != 2:
        return text
    found = [_inequality(part) for part in parts]
    if not all(found) or found[0][1] != found[1][1] or any("\\cup" in f[0] for f in found if f):  # type: ignore[index]
        return text
    low = next((f[0] for f in found if f and f[0].endswith(",\\infty)")), None)
    high = next((f[0] for f in found if f and f[0].startswith("(-\\infty,")), None)
    if low is None or high is None:
        return text
    name = found[0][1] if found[0] else ""
    start, end = low[1 : -len(",\\infty)")], high[len("(-\\infty,") : -1]
    ends = rational(start), rational(end)
    if ends[0] is not None and ends[1] is not None and Fraction(ends[0]) >= Fraction(ends[1]):
        return text
    at_start, at_end = "<" if low[0] == "(" else "\\le ", "<" if high[-1] == ")" else "\\le "
    return f"{start}{at_start}{name}{at_end}{end}"


def _inequality(text: str) -> tuple[str, str] | None:
    signs = [match.group() for match in _RELATION.finditer(text)]
    parts = [part.strip() for part in _RELATION.split(text)]
    if not signs or len(signs) > 2 or not all(parts) or "," in text:
        return None
    if len(signs) == 1 and (bars := _BARS.fullmatch(parts[0])) and signs[0] != "\\ne" and _constant(parts[1]):
        return _within(bars[1], signs[0], parts[1])
    if len(signs) == 2:
        low, name, high = parts
        if signs[0] in (">", "\\ge"):
            low, high, signs = high, low, [_turned(sign) for sign in reversed(signs)]
        fits = _VARIABLE.fullmatch(name) and _constant(low) and _constant(high) and set(signs) <= {"<", "\\le"}
        return (f"{_bracket(signs[0], '([')}{low},{high}{_bracket(signs[1], ')]')}", name) if fits else None
    (left, right), sign = parts, signs[0]
    if _VARIABLE.fullmatch(right) and not _VARIABLE.fullmatch(left):
        left, right, sign = right, left, _turned(sign)
    if not _VARIABLE.fullmatch(left) or not _constant(right):
        return None
    if sign == "\\ne":
        return f"(-\\infty,{right})\\cup({right},\\infty)", left
    if sign in (">", "\\ge"):
        return f"{_bracket(sign, '([')}{right},\\infty)", left
    return f"(-\\infty,{right}{_bracket(sign, ')]')}", left


def _within(name: str, sign: str, bound: str) -> tuple[str, str]:
    """`(-2,2)` for |x| < 2, and what is outside of it for |x| > 2."""
    low = bound[1:] if bound[0] == "-" else f"-{bound}"
    if sign in ("<", "\\le"):
        return f"{_bracket(sign, '([')}{low},{bound}{_bracket(sign, ')]')}", name
    return f"(-\\infty,{low}{_bracket(sign, ')]')}\\cup{_bracket(sign, '([')}{bound},\\infty)", name


def _turned(sign: str) -> str:
    return {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}.get(sign, sign)


def _bracket(sign: str, choices: str) -> str:
    return choices[sign in ("\\le", "\\ge")]


def _constant(text: str) -> bool:
    """Whether no variable is in it."""
    return not re.search("[A-Za-df-z]|[=|]", _COMMAND.sub("", text)) and "\\theta" not in text
