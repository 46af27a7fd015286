r"""Where in a text the reference answer is: in its last box, behind `####`, or where an expression finds it."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])")
_BARE = re.compile(r"\s*((?:[^\s{}$\\]|\\[A-Za-z]+)[^\s{}$\\]*)(?=\s*(?:\\[)\]]|\$|$))")


def found(text: str, pattern: str) -> str | None:
    """The reference in a text: in its last box, behind its last `####`, or the last match of an expression."""
    if pattern == "boxed":
        return last_boxed(text)
    if pattern == "####":
        _, marker, gold = text.rpartition("####")
        return gold.strip().replace(",", "") if marker else None
    matches = list(re.finditer(pattern, text))
    return (matches[-1][matches[-1].re.groups] or "").strip() if matches else None


def last_boxed(text: str) -> str | None:
    r"""Content of the last box whose braces balance; None where there is none.

    A box is `\boxed{...}`, `\fbox{...}`, `\framebox{...}`, or one of these before a single word that ends its formula:
    `$\boxed 2$`. Where more follows, as in `\boxed 2+3`, nobody knows what is boxed, and it is none.
    """
    for match in reversed(list(_BOX.finditer(text))):
        opening = re.match(r"\s*\{", text[match.end() :])
        if opening is None:
            bare = _BARE.match(text, match.end())
            if bare is not None:
                return bare[1].rstrip(".,;")
            continue
        content = _balanced(text, match.end() + opening.end())
        if content is not None:
            return content
    return None


def _balanced(text: str, first: int) -> str | None:
    depth = 1
    for i in range(first, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0) if text[i - 1] != "\\" else 0
        if not depth:
            return text[first:i]
    return None
