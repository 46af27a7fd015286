"""Small pieces of HTML and numbers in words, shared by the sections."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import Any

MINUS = "\u2212"
NONE = "\u2013"


def escape(text: object) -> str:
    """Text as HTML; also safe inside a quoted attribute."""
    return html.escape(str(text), quote=True)


def script_json(value: Any) -> str:
    """JSON that may stand inside a <script> element: no `<` can end it, no line separator can break it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A number with `digits` decimals and a true minus sign; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def significant(value: float | None, figures: int = 2) -> str:
    """A number with so many significant figures, plain between 1e-4 and 1e6, else as a power of ten."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        return number(value, max(figures - 1 - exponent, 0))
    mantissa = value / 10**exponent
    return f"{number(mantissa, figures - 1)}\u00d710<sup>{str(exponent).replace('-', MINUS)}</sup>"


def interval(low: float | None, high: float | None, digits: int = 3, sign: bool = False) -> str:
    """`0.12 to 0.34`, or nothing where there is no interval."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def p_value(p: float | None, bound: bool = False) -> str:
    """`p = 0.03`, `p < 0.001`; `p <= 0.003` where it is a `bound`: the smallest that the test could give."""
    if p is None or not math.isfinite(p):
        return f"p {NONE}"
    if p < 0.001:
        return "p &lt;\u202f0.001"
    return f"p {'&le;' if bound else '='}\u202f{number(p, 3 if p < 0.1 else 2)}"


def count(n: int, noun: str, plural: str = "") -> str:
    """`1 seed`, `12,000 rollouts`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def seconds(value: float | None) -> str:
    """A duration in the unit a reader would choose."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 100:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    if value < 7200:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"


def size(value: float | None) -> str:
    """Bytes in MB or GB, powers of ten."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value / 1e9:.3g} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def run_name(name: str, slot: str) -> str:
    """A run with its colour in front."""
    return f'<span class="run" style="--c:var(--{escape(slot)})">{escape(name)}</span>'
