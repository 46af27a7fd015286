"""Exact rationals as they are written: integers, decimals, fractions, mixed numbers, powers of ten, periods."""

from __future__ import annotations

import re
from fractions import Fraction

from rlpipe.verifiers.reading.numbers.number_words import from_words

HIGHEST_POWER = 400  # of ten, that is written out

INTEGER = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"([+-]?)([0-9]*)\.([0-9]*)")
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_SLASH = re.compile(r"([+-]?[0-9]+)/([+-]?[0-9]+)")
_FRAC = re.compile(r"([+-]?)\\frac\{([^{}]+)\}\{([^{}]+)\}")
_MIXED = re.compile(r"([+-]?)([0-9]+)(?: ?\\frac\{([0-9]+)\}\{([0-9]+)\}| ([0-9]+)/([0-9]+))")
_BRACKETED = re.compile(r"([+-]?)\(([^()]+)\)")
_TIMES_POWER = re.compile(
    r"([+-]?[0-9]+(?:\.[0-9]+)?) ?(?:\\times|\\cdot|\*|x) ?10(?:\^\{([+-]?[0-9]{1,4})\}|\^([+-]?[0-9]{1,4}))"
)
_POWER = re.compile(r"()10(?:\^\{([+-]?[0-9]{1,4})\}|\^([+-]?[0-9]{1,4}))")
_E_NOTATION = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?)[eE]([+-]?[0-9]{1,4})()")
_OUT_OF = re.compile("([0-9]+) out of ([0-9]+)")
_PERIOD = re.compile(r"([+-]?)([0-9]*)\.([0-9]*)(?:\\(?:overline|bar)(?:\{([0-9]+)\}|([0-9]))|\(([0-9]+)\))")


def rational(text: str) -> str | None:
    """`n` or `n/d` in lowest terms, if the text is a number written out; None otherwise. The text is clean."""
    if INTEGER.fullmatch(text):
        return str(int(text))
    if "," in text and THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
        if "." not in text:
            return str(int(text))
    if match := DECIMAL.fullmatch(text):
        return _decimal(match)
    if match := _SLASH.fullmatch(text):
        return _lowest(int(match[1]), int(match[2]))
    value = _seldom(text)
    return None if value is None else str(value)


def _decimal(match: re.Match[str]) -> str | None:
    sign, whole, part = match.groups()
    part = part.rstrip("0")
    if not (whole or match[3]):
        return None
    return _lowest(int(f"{sign}{whole or 0}{part}"), 10 ** len(part)) if part else str(int(f"{sign}{whole or 0}"))


def _lowest(numerator: int, denominator: int) -> str | None:
    return str(Fraction(numerator, denominator)) if denominator else None


def _seldom(text: str) -> Fraction | None:
    if "\\frac" in text and (match := _FRAC.fullmatch(text)):
        return _divided(match)
    if match := _MIXED.fullmatch(text):
        return _mixed(match)
    if "(" in text and (match := _BRACKETED.fullmatch(text)):
        inside = rational(match[2])
        return None if inside is None else _signed(match[1], Fraction(inside))
    if "." in text and (match := _PERIOD.fullmatch(text)):
        return _periodic(match)
    if "10^" in text or "e" in text or "E" in text:
        match = _TIMES_POWER.fullmatch(text) or _POWER.fullmatch(text) or _E_NOTATION.fullmatch(text)
        if match:
            return _scaled(match)
    if match := _OUT_OF.fullmatch(text):
        return Fraction(int(match[1]), int(match[2])) if int(match[2]) else None
    return from_words(text)


def _signed(sign: str, value: Fraction) -> Fraction:
    return -value if sign == "-" else value


def _divided(match: re.Match[str]) -> Fraction | None:
    above, below = (
        rational(part) if re.fullmatch(r"[+-]?[0-9.,]+|\([+-]?[0-9.,]+\)", part) else None
        for part in match.groups()[1:]
    )
    if above is None or below is None or below == "0":
        return None
    return _signed(match[1], Fraction(above) / Fraction(below))


def _mixed(match: re.Match[str]) -> Fraction | None:
    """`1 1/2`; what stands beside the whole number has to be less than one, else it is a product."""
    above, below = int(match[3] or match[5]), int(match[4] or match[6])
    return _signed(match[1], int(match[2]) + Fraction(above, below)) if above < below else None


def _periodic(match: re.Match[str]) -> Fraction:
    sign, whole, start, *periods = match.groups()
    period = next(p for p in periods if p)
    tail = Fraction(int(period), 10 ** len(start) * (10 ** len(period) - 1))
    return _signed(sign, int(whole or 0) + Fraction(int(start or 0), 10 ** len(start)) + tail)


def _scaled(match: re.Match[str]) -> Fraction | None:
    power = int(match[2] or match[3])
    return Fraction(match[1] or 1) * Fraction(10) ** power if abs(power) <= HIGHEST_POWER else None
