"""Characters beyond ASCII, spelt out: signs of mathematics, digits of other writing systems, characters that show nothing.

Differs: NFKC would turn 5² into 52 and 1½ into 11/2, so superscripts, subscripts and fractions are spelt out first.
"""

from __future__ import annotations

import re
import unicodedata

_SIGNS = (
    dict.fromkeys("−–—‐‑‒―﹣－", "-")
    | dict.fromkeys("“”„‟″❝❞«»「」", '"')
    | dict.fromkeys("‘’‚‛", "'")
    | dict.fromkeys("·⋅∙•", "\\cdot ")
    | dict.fromkeys("≤⩽≦", "\\le ")
    | dict.fromkeys("≥⩾≧", "\\ge ")
    | dict.fromkeys("∅⌀", "\\emptyset ")
    | dict.fromkeys("、،", ",")
    | dict.fromkeys("∶︰", ":")
    | dict.fromkeys("∣❘", "|")
    | {"⁄": "/", "∕": "/", "×": "\\times ", "⨯": "\\times ", "÷": "\\div ", "±": "\\pm ", "∓": "\\mp ", "≠": "\\ne "}
    | {
        "≈": "\\approx ",
        "≅": "\\cong ",
        "∞": "\\infty ",
        "∪": "\\cup ",
        "∩": "\\cap ",
        "∈": "\\in ",
        "∖": "\\setminus ",
    }
    | {"π": "\\pi ", "ϕ": "\\phi ", "φ": "\\phi ", "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "λ": "\\lambda "}
    | {"Ω": "\\Omega ", "μ": "\\mu ", "ω": "\\omega ", "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}"}
    | {"ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}", "⟨": "\\langle ", "⟩": "\\rangle ", "〈": "\\langle ", "〉": "\\rangle "}
    | {
        "∧": "\\land ",
        "∨": "\\lor ",
        "。": ".",
        "٫": ".",
        "٬": ",",
        "٪": "%",
        "√": "\\sqrt",
        "∛": "\\sqrt[3]",
        "∜": "\\sqrt[4]",
    }
    | {"′": "'", "℃": "°C", "℉": "°F", "㎡": "m^{2}", "㎥": "m^{3}", "㎠": "cm^{2}", "㎤": "cm^{3}", "º": "°", "˚": "°"}
)
_TABLE = str.maketrans(_SIGNS)
# Not the ones that turn the direction of writing: what they do to an answer can be seen.
_UNSEEN = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_ROOT = re.compile(r"(\\sqrt(?:\[[34]\])?) ?(?:\(([^()]*)\)|([0-9]+(?:\.[0-9]+)?|[A-Za-z](?![A-Za-z])))")
_OVERLINED = re.compile("((?:[0-9][\u0305\u0304])+)")
_DOTTED = re.compile("([0-9])\u0307([0-9]*)(?:([0-9])\u0307)?")
_FORMS = {"<super>": "^{%s}", "<sub>": "_{%s}", "<fraction>": " %s "}


def seen(text: str) -> str:
    """The text without characters that show nothing."""
    return text if text.isascii() else _UNSEEN.sub("", text)


def in_ascii(text: str) -> str:
    """The text with what can be said in ASCII said in ASCII; equal for ASCII text."""
    text = _OVERLINED.sub(lambda m: f"\\overline{{{m[1][::2]}}}", _UNSEEN.sub("", text))
    text = _DOTTED.sub(lambda m: f"\\overline{{{m[1]}{m[2]}{m[3] or ''}}}" if m[3] or not m[2] else m[0], text)
    text = text.translate(_TABLE)
    text = unicodedata.normalize("NFKC", "".join(map(_spelt, text))).translate(_TABLE)
    text = text.replace("}^{", "").replace("}_{", "")  # 10⁻⁴ has one exponent
    return _ROOT.sub(lambda m: f"{m[1]}{{{m[2] if m[2] is not None else m[3]}}}", text) if "\\sqrt" in text else text


def _spelt(character: str) -> str:
    if character.isascii():
        return character
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    kind, _, form = unicodedata.decomposition(character).partition(" ")
    if kind not in _FORMS or character == "ª":
        return character
    return _FORMS[kind] % "".join(chr(int(code, 16)) for code in form.split())
