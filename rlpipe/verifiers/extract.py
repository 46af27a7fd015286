"""Which part of a response is its answer.

All patterns are linear in the text, and only the last `TAIL` characters after the thinking are looked at, so a megabyte
of anything costs what a `str.rfind` over it costs.
"""

from __future__ import annotations

import re

TAIL = 2000  # characters of the response that may hold the answer

# One pass over braces; any escaped character is skipped, so `\{1,2\}` inside a box is content.
_BRACES = re.compile(r"\\(?:boxed|fbox|framebox)[ \t\n]*\{|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(
    r"\\boxed(?:[ \t]+(?=[^\s{}])|(?=[0-9\\]))((?:[+-]? ?\\(?:frac|dfrac|tfrac) ?(?:\{[^{}]*\}|[0-9]) ?(?:\{[^{}]*\}|[0-9])"
    r"|[+-]? ?\\sqrt ?(?:\{[^{}]*\}|[0-9])|[^\s${}\\]|\\text ?\{[^{}]*\}|\\[a-z]+(?![a-z{]))+)"
)
_HASHES = re.compile(r"(?<!#)####(?!#)")
_ANSWER = re.compile(r"(?i)(?<![a-z])answer[*_ \t]*[:：]")
_ANSWER_ELSEWHERE = re.compile(
    r"(?:答案|答|[Rr]espuesta|[Rr]éponse|[Aa]ntwort|[Rr]isposta|[Rr]esposta)(?:是|为)?[*_ \t]*[:：]"
)
_BOLD = re.compile(r"\*+([^*]*)\*+(.*)", re.DOTALL)
_HEADING = re.compile(r"(?i)[*_ \t]*(?:the )?(?:final )?answer[*_ \t:]*")
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
    Where there is none, what TeX would put into a `\\boxed 5` without braces.
    """
    if "box" not in text:
        return []
    found: list[str] = []
    open_braces: list[tuple[int, int]] = []  # (start of the content or -1 for a plain brace, boxes found before it)
    for match in _BRACES.finditer(text, max(0, text.find("\\"))):
        token = match.group()
        if len(token) > 2:
            open_braces.append((match.end(), len(found)))
        elif token == "{":
            open_braces.append((-1, 0))
        elif token == "}" and open_braces:
            start, before = open_braces.pop()
            content = text[start : match.start()] if start >= 0 else ""
            if content.strip() and len(found) == before:
                found.append(content)
    return found or [content for content in _BARE_BOX.findall(text) if content.strip(".,;")]


def hashes(text: str) -> str | None:
    """What follows the last `####` on its line, if anything does; the next line where the line is a mere heading."""
    first = text.find("####")
    found = None if first < 0 else _last(_HASHES, text[max(0, first - 1) :])
    return found.strip("*_ \t") if found else None


def answer_line(text: str) -> str | None:
    """What follows the last `Answer:` on its line, or on the next one where that is blank, without Markdown's bold.

    Differs: the specification deletes every `*` first, which would turn `Answer: 6*7` into 67; here only asterisks
    around the answer, or around its beginning, go.
    """
    first = text.lower().find("answer")
    found = _last(_ANSWER, text[max(0, first - 1) :]) if first >= 0 else None
    found = found or _last(_ANSWER_ELSEWHERE, text)
    if found is None:
        return None
    bold = _BOLD.fullmatch(found)
    return (bold[1] + bold[2] if bold else found).strip(" \t*_").lstrip("} ")


def last_number(text: str) -> str | None:
    """The last number anywhere: for lenient evaluation only, never for training."""
    found = _NUMBER.findall(text)
    return found[-1].rstrip(",") if found else None


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    """What follows the last match on its line; on the next line with anything on it, where that is blank or a heading."""
    for match in reversed(list(pattern.finditer(text))):
        line, _, rest = text[match.end() :].partition("\n")
        if line.strip(" \t*_") and not _HEADING.fullmatch(line):
            return line.strip()
        following = rest.lstrip().partition("\n")[0].strip()
        if following.strip("*_$") and not following.startswith("#") and not pattern.search(following):
            return following
    return None
