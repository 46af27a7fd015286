"""Requests that wait together are one batch, whoever asks, and each story is told what it asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rlpipe.engine.batched import Remembering, complete_all, together
from rlpipe.engine.hf import HFEngine
from rlpipe.types import Request, Sampling
from tests.engine.rules import Ban
from tests.toy import Answering, tiny_policy, written

PLAIN, HOT = Sampling(3), Sampling(3, temperature=2.0)


class Counting(Answering):
    """Answers with the seed, and remembers what it was asked at a time."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def answer(self, requests):
        self.batches.append([r.seed for r in requests])
        return [written(r, [r.seed]) for r in requests]


class Failing(Counting):
    """Cannot answer what is hot."""

    def answer(self, requests):
        if requests[0].sampling == HOT:
            raise ValueError("too hot")
        return super().answer(requests)


async def ask(engine, seed, sampling=PLAIN):
    return int((await engine.complete(Request((1,), sampling, seed))).tokens[-1])


async def tree(engine, seed, depth):
    """A story that asks through `depth` levels of gather, and then as much again with what it heard."""
    heard = await leaves(engine, seed, depth)
    return [heard, await leaves(engine, seed + sum(heard), depth)]


async def leaves(engine, seed, depth):
    if not depth:
        return [await ask(engine, seed)]
    parts = await asyncio.gather(*(leaves(engine, 3 * seed + i, depth - 1) for i in range(3)))
    return [x for part in parts for x in part]


@pytest.mark.parametrize("depths", [(0, 0), (1, 1), (2, 2), (0, 1, 2), (2, 0, 1)])
def test_what_waits_together_is_one_batch_however_deep_it_asks(depths):
    engine = Counting()
    found = together([tree(engine, 100 * i, depth) for i, depth in enumerate(depths)])
    alone = [together([tree(Counting(), 100 * i, depth)])[0] for i, depth in enumerate(depths)]
    assert found == alone
    assert [len(batch) for batch in engine.batches] == [sum(3**depth for depth in depths)] * 2


def test_a_batch_is_in_the_order_of_asking_and_so_are_the_answers():
    engine = Counting()
    assert together([ask(engine, s) for s in (5, 3, 9)]) == [5, 3, 9]
    assert [int(r.tokens[-1]) for r in complete_all(engine, [[1], [2]], PLAIN, [8, 2])] == [8, 2]
    assert engine.batches == [[5, 3, 9], [8, 2]]
    with pytest.raises(ValueError, match="zip"):
        complete_all(engine, [[1]], PLAIN, [8, 2])


def test_each_kind_of_sampling_is_a_batch_of_its_own():
    engine = Counting()
    banned = [replace(PLAIN, logit_rule=Ban(i)) for i in (5, 6, 5)]  # rules are values: equal ones are one kind
    kinds = [PLAIN, HOT, PLAIN, *banned, HOT]
    assert together([ask(engine, i, kind) for i, kind in enumerate(kinds)]) == list(range(7))
    assert engine.batches == [[0, 2], [1, 6], [3, 5], [4]]


def test_what_an_answer_raises_reaches_every_story_that_asked_and_no_other():
    async def told(seed, sampling):
        try:
            return await ask(engine, seed, sampling)
        except ValueError as error:
            return str(error)

    engine = Failing()
    assert together([told(1, HOT), told(2, PLAIN), told(3, HOT)]) == ["too hot", 2, "too hot"]
    assert together([told(4, PLAIN)]) == [4]


def test_remembering_asks_each_distinct_request_once():
    engine = Counting()
    known = Remembering(engine)
    assert together([ask(known, s) for s in (1, 2, 1)]) == [1, 2, 1]
    assert together([ask(known, s) for s in (3, 2)]) == [3, 2]
    assert engine.batches == [[1, 2], [3]]
    assert together([ask(known, 1, HOT)]) == [1]
    assert [int(r.tokens[-1]) for r in complete_all(known, [[7]], PLAIN, [1])] == [1]
    assert engine.batches[2:] == [[1], [1]], "another sampling or another prefix is another request"


def test_remembering_presents_itself_as_the_engine_it_stands_before():
    model, tokenizer = tiny_policy()
    engine = HFEngine(model, tokenizer)
    known = Remembering(engine)
    for name in ("exact", "full_entropy", "logit_rules", "longest", "special_ids"):
        assert getattr(known, name) == getattr(engine, name)
    message = [{"role": "user", "content": "w1 w2"}]
    assert known.encode(message) == known.encode(message) == engine.encode(message)
    assert known.decode([6, 7]) == "w1 w2"
