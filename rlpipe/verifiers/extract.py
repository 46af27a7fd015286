"""Which part of a response is its answer.

All patterns are linear in the text, and only the last `TAIL` characters after the thinking are looked at, so a megabyte
of anything costs what a `str.rfind` over it costs.
"""

from __future__ import annotations

import re

TAIL = 2000  # characters of the response that may hold the answer

# One pass over braces; any escaped character is skipped, so `\{1,2\}` inside a box is content.
_BRACES = re.compile(r"\\boxed[ \t\n]*\{|\\.|[{}]", re.DOTALL)
_HASHES = re.compile(r"(?<!#)####(?!#)([^\n]*)")
_ANSWER_LINE = re.compile(r"(?i)\banswer(?=[*: \t])[* \t]*:([^\n]*)")
_BOLD = re.compile(r"\*+([^*]*)\*+(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")


def writable(text: str) -> str:
    """The text with lone surrogates, which no file can hold, replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def answer_text(response: str) -> str | None:
    """The last `TAIL` characters after the last `</think>`; None where a `<think>` is still open."""
    close = response.rfind("</think>")
    start = close + 8 if close >= 0 else 0
    if response.find("<think>", start) >= 0:
        return None
    return response[max(start, len(response) - TAIL) :]


def boxes(text: str) -> list[str]:
    """Contents of the balanced `\\boxed{}`, in the order they close; blank ones, and boxes around boxes, left out.

    A blank box is an echo of the instruction, not an answer; in `\\boxed{x = \\boxed{5}}` the inner box is the answer.
    """
    first = text.find("\\boxed")
    if first < 0:
        return []
    found: list[str] = []
    open_braces: list[tuple[int, int]] = []  # (start of the content or -1 for a plain brace, boxes found before it)
    for match in _BRACES.finditer(text, first):
        token = match.group()
        if token.startswith("\\b") and len(token) > 2:
            open_braces.append((match.end(), len(found)))
        elif token == "{":
            open_braces.append((-1, 0))
        elif token == "}" and open_braces:
            start, before = open_braces.pop()
            content = text[start : match.start()] if start >= 0 else ""
            if content.strip() and len(found) == before:
                found.append(content)
    return found


def hashes(text: str) -> str | None:
    """What follows the last `####` on its line, if anything does."""
    first = text.find("####")
    return None if first < 0 else _last(_HASHES, text[max(0, first - 1) :])


def answer_line(text: str) -> str | None:
    """What follows the last `Answer:` on its line, without Markdown's bold.

    Differs: the specification deletes every `*` first, which would turn `Answer: 6*7` into 67; here only asterisks
    around the answer, or around its beginning, go.
    """
    found = _last(_ANSWER_LINE, text)
    if found is None:
        return None
    bold = _BOLD.fullmatch(found)
    return (bold[1] + bold[2] if bold else found).strip(" \t*")


def last_number(text: str) -> str | None:
    """The last number anywhere: for lenient evaluation only, never for training."""
    found = _NUMBER.findall(text)
    return found[-1].rstrip(",") if found else None


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    """The last non-blank first group."""
    for found in reversed(pattern.findall(text)):
        if found.strip(" \t*"):
            return found.strip()
    return None
