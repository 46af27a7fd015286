"""Searches side by side: their requests meet in one batch, and change nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rlpipe.engine.batched import Remembering, together
from rlpipe.types import Sampling
from tests.search.scripted import Scripted


def test_together_asks_once_and_changes_nothing() -> None:
    engine = Scripted()
    jobs = [partial(_ask, i) for i in range(5)]
    alone = [job(Scripted()) for job in jobs]
    assert together(engine, jobs) == alone
    assert [len(prefixes) for prefixes, _ in engine.calls] == [5, 5]


def _ask(i: int, engine: Any) -> list[str]:
    """Two requests, the second made of what the first brought."""
    first = engine.complete([[9]], Sampling(4), [i])[0]
    return [first.text, engine.complete([first.tokens.tolist()], Sampling(4), [10 + i])[0].text]


def test_what_a_search_raises_reaches_the_caller() -> None:
    def wrong(engine: Any) -> None:
        engine.complete([[9]], Sampling(4), [0])
        raise ValueError("the second job")

    with pytest.raises(ValueError, match="the second job"):
        together(Scripted(), [partial(_ask, 0), wrong, partial(_ask, 1)])

    class Broken(Scripted):
        def complete(self, *given: Any, **named: Any) -> Any:
            raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        together(Broken(), [partial(_ask, 0), partial(_ask, 1)])


def test_a_draw_is_made_once() -> None:
    engine = Scripted()
    remembering = Remembering(engine)
    sampling = Sampling(4)
    first = remembering.complete([[9], [9]], sampling, [1, 2])
    again = remembering.complete([[9], [9], [9]], sampling, [2, 3, 2])
    assert again[0] is first[1] is again[2]
    assert [seeds for _, seeds in engine.calls] == [(1, 2), (3,)]
    remembering.complete([[9]], Sampling(5), [1])
    assert len(engine.calls) == 3
