"""Searches side by side: their requests meet in one batch, and change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from rlpipe.engine.batched import Remembering, complete_all, together
from rlpipe.types import Request, Sampling
from tests.search.scripted import Scripted


def test_together_asks_once_and_changes_nothing() -> None:
    engine = Scripted()
    alone = [together([_ask(i, Scripted())])[0] for i in range(5)]
    assert together([_ask(i, engine) for i in range(5)]) == alone
    assert [len(prefixes) for prefixes, _ in engine.calls] == [5, 5]


async def _ask(i: int, engine: Any) -> list[str]:
    """Two requests, the second made of what the first brought."""
    first = await engine.complete(Request((9,), Sampling(4), i))
    second = await engine.complete(Request(tuple(first.tokens.tolist()), Sampling(4), 10 + i))
    return [first.text, second.text]


def test_what_a_search_raises_reaches_the_caller() -> None:
    async def wrong(engine: Any) -> list[str]:
        await engine.complete(Request((9,), Sampling(4), 0))
        raise ValueError("the second job")

    engine = Scripted()
    with pytest.raises(ValueError, match="the second job"):
        together([_ask(0, engine), wrong(engine), _ask(1, engine)])

    class Broken(Scripted):
        def answer(self, requests: Any) -> Any:
            raise ValueError("no room")

    engine = Broken()
    with pytest.raises(ValueError, match="no room"):
        together([_ask(0, engine), _ask(1, engine)])


def test_a_draw_is_made_once() -> None:
    engine = Scripted()
    remembering = Remembering(engine)
    sampling = Sampling(4)
    first = complete_all(remembering, [[9], [9]], sampling, [1, 2])
    again = complete_all(remembering, [[9], [9], [9]], sampling, [2, 3, 2])
    assert again[0] is first[1] is again[2]
    assert [seeds for _, seeds in engine.calls] == [(1, 2), (3,)]
    complete_all(remembering, [[9]], Sampling(5), [1])
    assert len(engine.calls) == 3
