from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from rlpipe.samplers.independent import independent
from rlpipe.types import Rollout, Sampling
from tests.toy import step, toy_prompt


class Recording:
    """An engine that answers with what it was asked: the seed is the only response token."""

    exact = True

    def __init__(self):
        self.calls = []

    def encode(self, messages):
        return [len(m["content"]) for m in messages]

    def complete(self, prefixes: Sequence, sampling: Sampling, seeds: Sequence[int], policy_step: int = 0):
        self.calls.append((list(prefixes), sampling, list(seeds), policy_step))
        return [
            Rollout(
                torch.tensor([*p, s]),
                torch.tensor([False] * len(p) + [True]),
                *[torch.zeros(len(p) + 1)] * 2,
                "",
                "stop",
            )
            for p, s in zip(prefixes, seeds, strict=True)
        ]

    def load_policy(self, policy):
        raise AssertionError("a sampler does not load policies")


PROMPTS = [toy_prompt("a"), toy_prompt("bb"), toy_prompt("ccc")]


def seeds(prompts, at):
    engine = Recording()
    groups = independent(prompts, engine, at)
    return [[int(r.tokens[-1]) for r in g.rollouts] for g in groups]


def test_groups_in_the_order_of_prompts_in_one_call_of_the_engine():
    engine, at = Recording(), step(5)
    groups = independent(PROMPTS, engine, at)
    assert [g.prompt for g in groups] == PROMPTS
    assert [len(g.rollouts) for g in groups] == [4, 4, 4]
    ((prefixes, sampling, drawn, policy_step),) = engine.calls
    assert prefixes == [[len(p.messages[0]["content"])] for p in PROMPTS for _ in range(4)]
    assert (sampling, policy_step) == (at.rollout.sampling, 5)
    assert len(set(drawn)) == 12
    assert all(g.reward is None and g.verdicts == () for g in groups)


def test_draws_do_not_depend_on_the_other_prompts():
    assert seeds(PROMPTS, step(3))[1] == seeds([PROMPTS[1]], step(3))[0]


def test_draws_differ_by_step_seed_and_round():
    later_round = replace(step(3), rollout=replace(step(3).rollout, round=1))
    drawn = [seeds(PROMPTS, at)[0] for at in (step(3), step(4), step(3, seed=8), later_round)]
    assert len({s for four in drawn for s in four}) == 16


def test_a_prompt_met_twice_is_not_answered_twice_alike():
    first, _, again = seeds([PROMPTS[0], PROMPTS[1], PROMPTS[0]], step(3))
    assert not set(first) & set(again)
    assert first == seeds([PROMPTS[0]], step(3))[0]
