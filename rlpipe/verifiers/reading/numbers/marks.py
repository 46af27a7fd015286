"""What is written in digits and is no arithmetic: dates, clock times, ratios, ranges and scores, numbers in a base.

Each has one spelling and equals only itself: 10-20 is not -10, 7:00 is no division, 1010_2 is neither 1010 nor 1010_3.
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = {name[:n]: i for i, name in enumerate(_MONTHS, 1) for n in (3, 4, len(name)) if n <= len(name)}
_ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_MONTH_FIRST = re.compile(r"(?i)([a-z]{3,9})\.? ?([0-9]{1,2})(?:st|nd|rd|th)?(?:,? ?([0-9]{4}))?")
_DAY_FIRST = re.compile(r"(?i)([0-9]{1,2})(?:st|nd|rd|th)? ?(?:of )?([a-z]{3,9})\.?(?:,? ?([0-9]{4}))?")
_CLOCK = re.compile(r"(?i)([0-9]{1,2})(?:([:.])([0-9]{2})(?::([0-9]{2}))?)? ?([ap])\.? ?m\.?")
_PLAIN_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?: ?h)?")
_O_CLOCK = re.compile(r"(?i)([0-9]{1,2}) ?o'? ?clock(?: ([ap])\.?m\.?)?")
_RATIO = re.compile(r"[0-9]+(?:\.[0-9]+)?(?: ?: ?[0-9]+(?:\.[0-9]+)?)+")
_SPOKEN = re.compile(r"([0-9]+(?:\.[0-9]+)?) to ([0-9]+(?:\.[0-9]+)?)")
_DASHED = re.compile(r"\(?[0-9]+(?:\.[0-9]+)?\)? ?(?:-+ ?[0-9]+(?:\.[0-9]+)?)+")
_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+){2,}|[0-9]+(?:/[0-9]+){2,}")
_BASE = re.compile(
    r"\(?([0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)\)?(?:_\{ ?\(?(?:base ?)?([a-z]+|[0-9]{1,2})\)? ?\}|_([0-9]{1,2}|[a-z]{3,7})"
    r"|_? ?\(?(?:in )?base[ -]?([a-z]+|[0-9]{1,2})\)?)"
)
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_BASES |= {"twelve": 12, "sixteen": 16, "binary": 2, "octal": 8, "hex": 16}


def read_mark(text: str) -> str | None:
    """The one spelling of a date, time, ratio, range or number in a base; None for any other text."""
    if len(text) > 64 or not any(character.isdigit() for character in text):
        return None
    for read in (_in_base, _date, _clock, _digits):
        if (found := read(text)) is not None:
            return found
    return None


def same_mark(reference: str, answer: str) -> bool:
    """Whether two spellings agree: a reference without half of the day leaves it open, and `a to b` is a ratio or a range."""
    if reference == answer:
        return True
    if re.fullmatch("[0-9]{1,2}:[0-9:]+", reference) and answer[-3:] in (" am", " pm"):
        return reference.lstrip("0") == answer[:-3]
    return " to " in answer and reference in (answer.replace(" to ", ":"), answer.replace(" to ", "-"))


def as_fraction(mark: str) -> str | None:
    """`3/2` for the ratio 3:2; None where it could be the time of a day, and for anything else."""
    ratio = re.fullmatch(r"([0-9]+):([0-9]+)", mark)
    if ratio is None or not int(ratio[2]) or (len(ratio[2]) == 2 and int(ratio[1]) < 25 and int(ratio[2]) < 60):
        return None
    return str(Fraction(int(ratio[1]), int(ratio[2])))


def _in_base(text: str) -> str | None:
    if "_" not in text and "base" not in text:
        return None
    match = _BASE.fullmatch(text)
    if match is None:
        return None
    digits, named = match[1], next(group for group in match.groups()[1:] if group)
    base = _BASES.get(named) or (int(named) if named.isdigit() else 0)
    whole = digits.replace(".", "")
    if not 2 <= base <= 36 or not (any(d.isdigit() for d in whole) or (whole.isupper() and len(whole) > 1)):
        return None
    if any(int(digit, 36) >= base for digit in whole) and not whole.isdigit():
        return None
    if base == 10:
        return f"base ten {digits}"
    return f"{digits.upper().lstrip('0') or '0'}_{{{base}}}"


def _date(text: str) -> str | None:
    if found := _ISO.fullmatch(text):
        return _day(found[1], int(found[3]), found[4])
    if found := _MONTH_FIRST.fullmatch(text):
        return _day(found[3], _MONTH.get(found[1].lower(), 0), found[2])
    if found := _DAY_FIRST.fullmatch(text):
        return _day(found[3], _MONTH.get(found[2].lower(), 0), found[1])
    return None


def _day(year: str | None, month: int, day: str) -> str | None:
    try:
        found = date(int(year or 2000), month, int(day))
    except ValueError:
        return None
    return found.isoformat() if year else f"{_MONTHS[month - 1]} {found.day}"


def _clock(text: str) -> str | None:
    if found := _CLOCK.fullmatch(text):
        return _time(found[1], found[3], found[4], found[5])
    if found := _O_CLOCK.fullmatch(text):
        return _time(found[1], None, None, found[2])
    if found := _PLAIN_CLOCK.fullmatch(text):
        return _time(found[1], found[2], found[3], None)
    return None


def _time(hours: str, minutes: str | None, seconds: str | None, half: str | None) -> str | None:
    hour, rest = int(hours), f":{minutes or '00'}" + (f":{seconds}" if seconds else "")
    if int(minutes or 0) > 59 or int(seconds or 0) > 59 or hour > (12 if half else 23):
        return None
    if half:
        return f"{hour}{rest} {half.lower()}m"
    return f"{hour - 12}{rest} pm" if hour > 12 else f"12{rest} am" if hour == 0 else f"{hour}{rest}"


def _digits(text: str) -> str | None:
    if spoken := _SPOKEN.fullmatch(text):
        return f"{spoken[1]} to {spoken[2]}"
    if _RATIO.fullmatch(text) or _DASHED.fullmatch(text) or _DOTTED.fullmatch(text):
        return re.sub("-+", "-", text.replace(" ", ""))
    return None
