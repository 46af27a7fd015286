"""CURE: where answers are cut, what a group is made of, and the worked numbers of its specification."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch

from rlpipe.engine.batched import Batched, together
from rlpipe.engine.hf import HFEngine
from rlpipe.environments.calculator import calculator
from rlpipe.methods.cure import branch, cut_entropy, place_to_cut, restarted
from rlpipe.ops.advantages import group_relative
from rlpipe.ops.collate import collate
from rlpipe.recipe import load
from rlpipe.samplers.independent import independent
from rlpipe.samplers.stories import of_each_prompt
from rlpipe.types import Plan, Rollout, Sampling
from tests.toy import step, tiny_policy, toy_prompt

TEXTS = ["<pad>", "<eos>", " The", " ,", " then", " x", " so", " 12"]


class Reader(Batched):
    """The vocabulary of the specification's example; writes nothing."""

    special_ids = frozenset({0, 1})

    def encode(self, messages):
        return []

    def encode_reply(self, messages, ended):
        return []

    def decode(self, ids):
        return "".join(TEXTS[i] for i in ids)

    def load_policy(self, policy, step=0):
        raise NotImplementedError


def answered(ids, entropy):
    """A response after a prompt of three tokens."""
    mask = torch.arange(3 + len(ids)) >= 3
    values = torch.cat([torch.full((3,), 9.0), torch.tensor(entropy)])
    return Rollout(torch.tensor([7, 7, 7, *ids]), mask, -values, values, ("",), "stop")


ROW_A = answered([2, 3, 4, 5, 6, 7, 1], [2.5, 0.1, 1.9, 2.2, 0.7, 1.2, 3.0])
ROW_B = answered([5, 5, 5, 5, 5, 3, 1], [2.5, 0.1, 1.9, 2.2, 0.7, 1.2, 3.0])


def cuts(rollout, times=300, pool=2, shortest=2, choice="entropy"):
    draws = (random.Random(i) for i in range(times))
    return Counter(place_to_cut(rollout, Reader(), pool, shortest, choice, draw) - 3 for draw in draws)


def test_the_pool_of_the_specification():
    """End token, first token and single characters are passed over: t* is 2 or 5, equally often."""
    found = cuts(ROW_A)
    assert set(found) == {2, 5}
    assert 110 < found[2] < 190
    assert cuts(ROW_B) == {0: 300}, "nothing qualifies: the answer begins again"


def test_the_control_cuts_anywhere_allowed():
    assert set(cuts(ROW_A, choice="random")) == {2, 4, 5}
    assert set(cuts(ROW_A, pool=1)) == {2}
    assert set(cuts(ROW_A, pool=9, shortest=1)) == {1, 2, 3, 4, 5}


def test_advantages_of_the_specification():
    reward = torch.tensor([1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1.0], dtype=torch.float64)
    found = group_relative(reward, torch.zeros(16, dtype=torch.long))
    assert found[reward == 1].tolist() == pytest.approx([0.968244] * 8, abs=2e-6)
    assert found[reward == 0].tolist() == pytest.approx([-0.968244] * 8, abs=2e-6)


WORDS = ["eval", "mod5", "=", "+", ";", "?", *map(str, range(12))]


def sampled(continuations=3, size=16, environment=None, **changed):
    model, tokenizer = tiny_policy(WORDS, seed=1)
    known = {"pool": 20, "shortest": 1, "choice": "entropy", "whole": True, **changed}
    story = of_each_prompt(partial(branch, continuations=continuations, **known))
    plan = Plan(size, Sampling(10), 3, environment=environment, max_turns=4)
    prompts = [toy_prompt(name) for name in ("a", "bb")]
    return HFEngine(model, tokenizer), together([story(prompts, {"policy": HFEngine(model, tokenizer)}, plan)])[0], plan


def test_a_group_is_originals_and_what_goes_on_from_within_them():
    engine, groups, _ = sampled()
    assert [len(g.rollouts) for g in groups] == [16, 16]
    for group in groups:
        originals, continuations = group.rollouts[:4], group.rollouts[4:]
        assert [r.parent for r in originals] == [None] * 4
        assert [r.parent for r in continuations] == [i for i in range(4) for _ in range(3)]
        for rollout in continuations:
            parent, cut = originals[rollout.parent], rollout.branched_at
            assert torch.equal(rollout.tokens[:cut], parent.tokens[:cut])
            assert parent.response_mask[cut]
            assert not rollout.response_mask[:cut].any(), "what it goes on from is prompt to it"
            assert rollout.response_mask[cut:].all()
            first = int(parent.response_mask.int().argmax())
            ended = rollout.finish == "stop"
            written = rollout.tokens[first : len(rollout.tokens) - ended].tolist()
            assert rollout.text == engine.decode(written), "the whole answer is judged"
            assert rollout.plain(1.0)


def test_alone_the_continuation_is_judged_as_released():
    engine, groups, _ = sampled(whole=False)
    for rollout in groups[0].rollouts[4:]:
        own = rollout.tokens[rollout.response_mask].tolist()
        assert rollout.text == engine.decode(own[: len(own) - (rollout.finish == "stop")])


def test_continuations_are_drawn_apart():
    _, groups, _ = sampled()
    own = [tuple(r.tokens[r.response_mask].tolist()) for r in groups[0].rollouts]
    assert len(set(own)) > 8


def test_without_continuations_it_is_independent_sampling():
    engine, groups, plan = sampled(continuations=0, size=6)
    plain = together([independent([g.prompt for g in groups], {"policy": engine}, plan)])[0]
    for a, b in zip(groups, plain, strict=True):
        assert all(torch.equal(x.tokens, y.tokens) for x, y in zip(a.rollouts, b.rollouts, strict=True))


def test_conversations_are_cut_too():
    _, groups, _ = sampled(environment=calculator(), size=32)
    for rollout in (r for g in groups for r in g.rollouts if r.parent is not None):
        assert not rollout.response_mask[: rollout.branched_at].any()
        assert rollout.response_mask[rollout.branched_at]


def test_a_group_that_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match=r"15 rollouts are no multiple of 1 \+ continuations = 4.*train\.rollouts"):
        sampled(size=15)


def test_what_is_logged():
    group = sampled()[1][0]
    batch = collate([replace(group, reward=torch.zeros(16))])
    parents = [(r, group.rollouts[r.parent]) for r in group.rollouts if r.parent is not None]
    expected = sum(float(p.entropy[r.branched_at]) for r, p in parents) / len(parents)
    assert float(cut_entropy(batch, step()).mean()) == pytest.approx(expected, rel=1e-5)
    anew = sum(r.branched_at == int(p.response_mask.int().argmax()) for r, p in parents)
    assert float(restarted(batch, step()).sum()) == anew


def test_it_samples_for_any_base():
    assert load(["dapo", "cure"]).filled_by["sampler"] == "cure"
