"""Units: one spelling each, compound ones included; what they measure is never converted."""

from __future__ import annotations

import re
from collections import Counter

_PHYSICAL = {
    "nm": "nanometer nanometre",
    "um": "micrometer micron", "kohm": "kiloohm", "ug": "microgram", "uF": "", "mm": "millimeter millimetre",
    "cm": "centimeter centimetre",
    "dm": "decimeter decimetre", "m": "meter metre", "km": "kilometer kilometre", "in": "inch inches", "ft": "foot feet",
    "yd": "yard", "mi": "mile", "unit": "", "mg": "milligram", "g": "gram gramme gm", "kg": "kilogram kilo",
    "ton": "tonne", "ounce": "oz", "pound": "lb £ sterling", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond",
    "s": "second sec", "min": "minute", "h": "hour hr", "day": "", "week": "wk", "month": "", "year": "yr", "decade": "",
    "l": "liter litre L", "ml": "milliliter millilitre mL", "cl": "centiliter", "gallon": "gal", "quart": "qt", "pint": "",
    "cup": "", "tablespoon": "tbsp", "teaspoon": "tsp", "degree": "deg", "radian": "rad", "K": "kelvin",
    "C": "celsius centigrade", "F": "fahrenheit", "N": "newton", "J": "joule", "kJ": "kilojoule", "W": "watt", "kW": "kilowatt",
    "MW": "megawatt", "V": "volt", "A": "ampere amp", "Hz": "hertz", "Pa": "pascal", "kPa": "kilopascal", "mol": "mole",
    "eV": "electronvolt", "cal": "calorie", "kcal": "kilocalorie", "ohm": "\\Omega", "T": "tesla", "acre": "", "hectare": "ha",
    "bit": "", "byte": "", "rpm": "", "square": "",
}  # fmt: skip
_MONEY = {
    "dollar": "usd USD buck US\\$ \\$", "cent": "¢", "euro": "eur EUR €", "¥": "", "yen": "jpy JPY 円",
    "yuan": "cny CNY rmb RMB 元", "rupee": "inr INR rs Rs ₹", "won": "krw KRW ₩", "ruble": "₽ rub", "peso": "", "franc": "CHF",
    "gbp": "GBP",
}  # fmt: skip
_COUNTS = {
    "point": "pt", "way": "", "time": "", "people": "person persons", "student": "", "child": "children", "apple": "",
    "egg": "", "page": "", "piece": "", "item": "", "box": "boxes", "percent": "percentage pct",
}  # fmt: skip
_COMPOUND = {
    "mph": "mi/h", "kph": "km/h", "kmh": "km/h", "mpg": "mi/gallon", "cc": "cm^3", "sqft": "ft^2", "kWh": "kW*h",
    "km/hr": "km/h", "kwh": "kW*h",
}  # fmt: skip
CHINESE = {
    "元": "yuan", "厘米": "cm", "米": "m", "千米": "km", "公里": "km", "毫米": "mm", "平方厘米": "cm^2", "平方米": "m^2",
    "立方厘米": "cm^3", "立方米": "m^3", "千克": "kg", "公斤": "kg", "克": "g", "吨": "ton", "小时": "h",
    "分钟": "min", "秒": "s", "天": "day", "度": "degree", "升": "l", "毫升": "ml",
}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_LETTERS = frozenset("mgslhNJWVAKTCF")  # units of one letter


def _table() -> dict[str, str]:
    table: dict[str, str] = dict(_COMPOUND)
    counted = {word: f"~{word}" for word in _COUNTS if word != "percent"}
    for word, aliases in (_PHYSICAL | _MONEY | _COUNTS).items():
        unit = counted.get(word, word)
        for alias in (word, *aliases.split()):
            table[alias] = unit
            if alias.isalpha() and len(alias) > 1:
                table[alias + "s"] = unit
    return table


UNITS = _table()
_TOKEN = re.compile(
    r"\\unit\{([^{}]*)\}|(/|\*|\\cdot(?![A-Za-z])|\\times(?![A-Za-z])|[() .])|(\\?[A-Za-z€£¥₹元円¢₩₽$]+)"
    r"|(\^\{?([+-]?[0-9])\}?)"
)
_UK = re.compile(r"(?<![A-Za-z])(?:\\unit\{ms\}|ms)(\^\{?-[12]\}?)")  # metres per second, not a millisecond
_FRACTION = re.compile(r"\\frac\{((?:[^{}]|\{[^{}]*\})*)\}\{((?:[^{}]|\{[^{}]*\})*)\}")


def is_letter(text: str) -> bool:
    return text in _LETTERS


def known(word: str) -> str | None:
    """The spelling of a unit word that stands alone."""
    word = word.strip(" .~")
    return UNITS.get(word) or (UNITS.get(word.lower()) if len(word) > 1 else None)


def parse_unit(text: str) -> str | None:
    """One spelling for `m/s^2`, `\\frac{\\unit{m}}{\\unit{s}^2}`, `metres per second squared`; None where a part is unknown."""
    if len(text) > 96:
        return None
    powers: Counter[str] = Counter()
    text = _UK.sub(r"m s\1", text.replace("k\\Omega", "kohm").replace("\\mu\\unit{", "\\unit{u"))
    text = _FRACTION.sub(r"(\1)/(\2)", text)
    if not _factors(text, powers):
        return None
    parts = [(unit, power) for unit, power in sorted(powers.items()) if power]
    above = "*".join(u if p == 1 else f"{u}^{p}" for u, p in parts if p > 0)
    below = "/".join(u if p == -1 else f"{u}^{-p}" for u, p in parts if p < 0)
    return (above or "1") + (f"/{below}" if below else "") if parts else None


def _factors(text: str, powers: Counter[str]) -> bool:
    """Add up the exponents of every factor; False if something is no unit."""
    sign, rising, pending, last, end = 1, 1, 1, "", 0
    unit: str | None
    for match in _TOKEN.finditer(text):
        if match.start() != end:
            return False
        end = match.end()
        marked, operator, word, raised, exponent = match.groups()
        if marked is not None:
            inner: Counter[str] = Counter()
            if UNITS.get(marked) is None and not _factors(marked, inner):
                return False
            for unit, power in (inner or Counter(_split(UNITS[marked]))).items():
                powers[unit] += sign * pending * power
                last, rising = unit, sign if power > 0 else -sign
            pending = 1
        elif word is not None:
            low = word.lower()
            if low == "per":
                sign = -1
            elif low in _POWERS:
                pending = _POWERS[low]
            elif low in ("squared", "cubed") and last:
                powers[last] += rising * (1 if low == "squared" else 2)
            elif (unit := known(word)) is not None:
                for part, power in _split(unit).items():
                    powers[part] += sign * pending * power
                    last, rising = part, sign if power > 0 else -sign
                pending = 1
            else:
                return False
        elif raised is not None:
            if not last:
                return False
            powers[last] += rising * (int(exponent) - 1)
        elif operator == "/":
            sign = -1
    return end == len(text) and pending == 1


def _split(unit: str) -> dict[str, int]:
    """A spelling of the table as factors."""
    above, _, below = unit.partition("/")
    powers = {}
    for part, sign in ((above, 1), (below, -1)):
        for factor in filter(None, part.split("*")):
            name, _, exponent = factor.partition("^")
            powers[name] = sign * int(exponent or 1)
    return powers


# What one of them leaves open the other may say.
_OPEN = {
    "¥": {"yen", "yuan"},
    "degree": {"C*degree", "F*degree", "C", "F"},
    "C": {"C*degree"},
    "F": {"F*degree"},
    "gbp": {"pound"},
}


def compatible(one: str, other: str) -> bool:
    """Whether two units may be the same: equal, one not stated, or one that names what the other counts."""
    if one == other or not one or not other:
        return True
    if other in _OPEN.get(one, ()) or one in _OPEN.get(other, ()):
        return True
    return one[0] == "~" and other[0] == "~" and one[1:].split()[-1] == other[1:].split()[-1]
