"""Where a response ends: after the token that completes a stop text, for that rollout alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.engine.stop import stop_met
from rlpipe.types import Sampling
from tests.toy import tiny_policy

PIECES = ["a", "b", "ab", "ba", "aab", "c"]
STOP = ("w3 w5", "w6", "w5 w0")
PROMPTS, SEEDS = [[1, 5, 6], [1, 7]] * 40, list(range(80))


def join(ids):
    return "".join(PIECES[i] for i in ids)


def count(text, part):
    """Occurrences, overlapping ones too."""
    return sum(text.startswith(part, i) for i in range(len(text)))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(range(len(PIECES))), max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
)
def test_met_by_the_first_token_with_which_the_text_holds_a_stop_more_often(ids, stop):
    for n in range(1, len(ids) + 1):
        text, before = join(ids[:n]), join(ids[: n - 1])
        new = [s for s in stop if count(text, s) > count(before, s)]
        met = stop_met(ids[:n], stop, join)
        if not new:
            assert met is None
            continue
        assert met in new
        assert text.index(met) == min(map(text.index, new))
        break  # here a response ends


def test_the_stop_met_first_in_the_text_is_named():
    assert stop_met([0, 4], ["b", "ab", "aa"], join) == "aa"  # a|aab: aa begins at 0, ab at 2, b at 3
    assert stop_met([5, 2], ["b", "ab"], join) == "ab"
    assert stop_met([1, 0], ["b"], join) is None, "the last token has no part in it"
    assert stop_met([1, 0, 1], ["b"], join) == "b"
    assert stop_met([], ["b"], join) is None
    assert stop_met([1], [], join) is None


def test_only_the_end_of_a_response_is_decoded():
    seen = []

    def decode(ids):
        seen.append(len(ids))
        return join(ids)

    assert stop_met([5] * 1000 + [0, 1, 5], ["abc", "b"], decode) == "abc"
    assert max(seen) <= 4


@pytest.fixture(scope="module")
def engine():
    return HFEngine(*tiny_policy())


def answers(engine, sampling, rows=range(80)):
    return complete_all(engine, [PROMPTS[i] for i in rows], sampling, [SEEDS[i] for i in rows])


def test_a_response_ends_after_the_token_that_completes_a_stop_text(engine):
    stopped, names = [], set()
    pairs = zip(answers(engine, Sampling(12)), answers(engine, Sampling(12, stop=STOP)), strict=True)
    for i, (free, held) in enumerate(pairs):
        ids = free.tokens[free.response_mask].tolist()
        texts = [engine.decode(ids[:n]) for n in range(1, len(ids) + 1)]
        end = next((n for n, text in enumerate(texts, 1) if any(s in text for s in STOP)), None)
        size = len(free.tokens) if end is None else len(PROMPTS[i]) + end
        assert held.tokens.tolist() == free.tokens[:size].tolist()
        torch.testing.assert_close(held.logprob, free.logprob[:size], atol=1e-5, rtol=0)
        if end is None:
            assert (held.stop, held.finish, held.turns) == (None, free.finish, free.turns)
        else:
            assert (held.finish, held.turns) == ("stop", (texts[end - 1],))
            assert held.text.endswith(held.stop)
            stopped.append(i)
            names.add(held.stop)
    assert names == set(STOP)
    assert 5 < len(stopped) < 70


def test_the_others_go_on_as_if_nobody_had_stopped(engine):
    sampling = Sampling(12, stop=STOP)
    all_rows = answers(engine, sampling)
    rows = [i for i, r in enumerate(all_rows) if r.stop is None]
    for i, alone in zip(rows, answers(engine, sampling, rows), strict=True):
        assert all_rows[i].tokens.tolist() == alone.tokens.tolist()
        assert (all_rows[i].finish, all_rows[i].turns, all_rows[i].stop) == (alone.finish, alone.turns, None)


def test_a_stop_text_in_the_prompt_ends_nothing(engine):
    (rollout,) = complete_all(engine, [[1, 11, 8, 10]], Sampling(1, stop=("w6", "w3 w5")), [0])
    assert rollout.response_length == 1
    assert (rollout.stop is None) == (rollout.text != "w6")


def test_the_end_token_wins_over_a_stop_text(engine):
    free = answers(engine, Sampling(12))
    ended = [i for i, r in enumerate(free) if r.finish == "stop"]
    assert ended
    for i, held in zip(ended, answers(engine, Sampling(12, stop=("<eos>",)), ended), strict=True):
        assert (held.finish, held.stop, held.turns) == ("stop", None, free[i].turns)
        assert held.tokens.tolist() == free[i].tokens.tolist()
