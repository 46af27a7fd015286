from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.curricula.uniform import Uniform
from tests.toy import step, toy_prompt

POOL = [toy_prompt(f"p{i:02}") for i in range(10)]


def ids(prompts):
    return [p.id for p in prompts]


@given(st.lists(st.integers(0, 25), min_size=1, max_size=8))
def test_every_prompt_once_per_epoch_however_it_is_cut(counts):
    curriculum = Uniform()
    drawn = [i for n in counts for i in ids(curriculum(POOL, n, step()))]
    assert len(drawn) == sum(counts)
    for start in range(0, len(drawn) - 9, 10):
        assert sorted(drawn[start : start + 10]) == ids(POOL)
    assert drawn == ids(Uniform()(POOL, sum(counts), step()))


def test_epochs_and_seeds_have_orders_of_their_own():
    drawn = ids(Uniform()(POOL, 20, step()))
    assert drawn[:10] != drawn[10:]
    assert drawn[:10] != ids(POOL)
    assert drawn != ids(Uniform()(POOL, 20, step(seed=8)))


def test_resumes_where_it_stopped_mid_epoch():
    used, fresh = Uniform(), Uniform()
    used(POOL, 13, step(0))
    fresh.load_state_dict(used.state_dict())
    assert ids(fresh(POOL, 9, step(1))) == ids(used(POOL, 9, step(1)))


def test_an_empty_pool_is_an_error():
    with pytest.raises(ValueError, match="the pool has no prompts"):
        Uniform()([], 1, step())
