"""Unit words that may follow a number, and the one spelling each is compared by."""

from __future__ import annotations

_LENGTHS = {
    "mm": ("millimeter", "millimetre"),
    "cm": ("centimeter", "centimetre"),
    "m": ("meter", "metre"),
    "km": ("kilometer", "kilometre"),
    "in": ("inch", "inches"),
    "ft": ("foot", "feet"),
    "yd": ("yard",),
    "mi": ("mile",),
    "unit": (),
}
_OTHERS = {
    "dollar": ("usd", "buck"),
    "cent": (),
    "euro": (),
    "pound": ("lb",),
    "ounce": ("oz",),
    "gram": ("g",),
    "kg": ("kilogram",),
    "liter": ("litre", "l"),
    "ml": ("milliliter", "millilitre"),
    "gallon": (),
    "cup": (),
    "second": ("s", "sec"),
    "minute": ("min",),
    "hour": ("h", "hr"),
    "day": (),
    "week": (),
    "month": (),
    "year": (),
    "degree": ("deg",),
    "radian": ("rad",),
    "percent": ("percentage", "per cent"),
    "mph": ("miles per hour", "mile per hour"),
    "km/h": ("kilometers per hour", "kmh", "kph"),
    "point": (),
    "way": (),
    "time": (),
    "people": ("person", "persons"),
    "student": (),
    "child": ("children",),
    "apple": (),
    "egg": (),
    "page": (),
    "piece": (),
    "item": (),
    "box": ("boxes",),
    "mile per gallon": ("miles per gallon", "mpg"),
}


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for unit, aliases in {**_LENGTHS, **_OTHERS}.items():
        for word in (unit, *aliases):
            table[word] = table[word + "s"] = unit
    for unit, aliases in _LENGTHS.items():
        for word in (unit, *aliases, *(w + "s" for w in (unit, *aliases))):
            for power, names in ((2, ("square", "sq")), (3, ("cubic", "cu"))):
                for written in (f"{word}^{power}", f"{word}^{{{power}}}", *(f"{n} {word}" for n in names)):
                    table[written] = f"{unit}^{power}"
    return table


UNITS = _table()
_MAGNITUDE = ("hundred", "thousand", "million", "billion", "trillion", "dozen")
MAGNITUDES = frozenset((*_MAGNITUDE, *(word + "s" for word in _MAGNITUDE), "half", "percent"))
