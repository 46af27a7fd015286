"""Where a response ends before its end token: at one of the texts it was asked to stop at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]


def stop_met(ids: Sequence[int], stop: Sequence[str], decode: Decode) -> str | None:
    """The stop text that the last token completes; the one met first in the text where it completes several.

    Only the end of the response is decoded: as many tokens as the longest text has bytes, and one more.
    """
    if not stop:
        return None
    window = list(ids[-(max(len(s.encode()) for s in stop) + 1) :])
    text, before = decode(window), decode(window[:-1])
    found = [(text.index(s), s) for s in stop if s in text and text.count(s) > before.count(s)]
    return min(found)[1] if found else None
