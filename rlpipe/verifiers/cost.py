"""What evaluating a formula would cost, from its text: towers of powers, huge factorials, sums and expansions.

An answer like `9^{9^{9^9}}` is a few characters and no computer's to evaluate. It is refused before anybody tries.
"""

from __future__ import annotations

import re
from math import log10

DIGITS = 6000  # of the largest integer that may be written out
TERMS = 2000  # of a sum or product
EXPANDED = 400  # the highest power of a sum of terms, all such powers multiplied

_FACTORIAL = re.compile(r"([0-9]+|[A-Za-z]|[)}\]!])!")
_BINOMIAL = re.compile(r"\\binom\{([^{}]*)\}\{([^{}]*)\}")
_LIMIT = re.compile(r"\\(?:sum|prod|int|iint|iiint|oint|lim|bigcup|bigcap)(?![A-Za-z])")
_BOUND = re.compile(r"\^(?:\{([^{}]*)\}|([0-9]))")
_BRACKETED_POWER = re.compile(r"[)\]}]\^(?:\{([0-9]+)\}|([0-9]))")


def too_costly(prediction: str, reference: str) -> bool:
    """Whether a prediction is beyond what an answer can reasonably be. Both are clean, of at most 256 characters.

    Sums, products, integrals and limits are work left undone unless the reference has one as well.
    """
    if _LIMIT.search(prediction) and not _LIMIT.search(reference):
        return True
    return _sums(prediction) or _factorials(prediction) or _powers(prediction) or _expansion(prediction)


def _sums(text: str) -> bool:
    found = list(_LIMIT.finditer(text))
    terms = 1.0
    for match in found:
        for bound in _BOUND.finditer(text, match.end(), match.end() + 60):
            terms *= max(1.0, 10 ** min(300.0, _size(bound[1] or bound[2])))
            break
    return len(found) > 2 or terms > TERMS


def _factorials(text: str) -> bool:
    """A factorial of more than 2,000 or so, of a bracket, or of a factorial."""
    for match in _FACTORIAL.finditer(text):
        if match[1].isdigit() and (len(match[1]) > 4 or int(match[1]) > 2500):
            return True
        if (match[1] in ")]}!" and any(len(number) > 3 for number in re.findall("[0-9]+", text))) or match[1] == "!":
            return True
        if match[1] in ")]}" and ("^" in text or text.count("!") > 2):
            return True
    return any(len(number) > 4 for m in _BINOMIAL.finditer(text) for number in re.findall("[0-9]+", m[0]))


def _powers(text: str) -> bool:
    """Whether a power of numbers has more than `DIGITS` digits, or powers are stacked four high."""
    height = best = 0
    for i, character in enumerate(text):
        if character == "^":
            exponent = _argument(text, i + 1)
            base = re.search(r"([0-9]+(?:\.[0-9]+)?)\}?\)?$", text[:i])
            digits = log10(max(2.0, float(base[1][:300]))) if base else 0.31
            if digits + 10 ** min(300.0, _size(exponent)) * digits > DIGITS and not re.fullmatch("[^0-9]*", exponent):
                return True
            height = exponent.count("^") + 1
            best = max(best, height)
    return best > 3


def _expansion(text: str) -> bool:
    product = 1.0
    for match in _BRACKETED_POWER.finditer(text):
        product *= max(1, int((match[1] or match[2])[:9]))
        if product > EXPANDED:
            return True
    return False


def _argument(text: str, start: int) -> str:
    """What a `^` raises to: a group with what is stacked on it, or the rest of the tower written without braces."""
    if text[start : start + 1] != "{":
        match = re.match(r"[+-]?[0-9]+(?:\^(?:\{.*?\}|[0-9]+))*|.?", text[start:])
        return match[0] if match else ""
    level = 0
    for i in range(start, len(text)):
        level += (text[i] == "{") - (text[i] == "}")
        if level == 0:
            return text[start + 1 : i]
    return text[start + 1 :]


def _size(text: str) -> float:
    """log10 of an upper bound of the numbers in an exponent, at most 300."""
    power = text.find("^")
    numbers = re.findall("[0-9]+", text)
    if "!" in text and any(len(number) > 1 for number in numbers):
        return 300.0
    if power >= 0:
        base = re.findall("[0-9]+", text[:power])
        below = log10(max(2, int(base[-1][:20]))) if base else 0.31
        above = _size(_argument(text, power + 1))
        return min(300.0, (10 ** min(above, 3.0)) * below + 1e3 * (above > 3))
    return min(300.0, sum(log10(max(1, int(number[:20]))) + max(0, len(number) - 20) for number in numbers))
