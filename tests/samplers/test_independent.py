from __future__ import annotations

from dataclasses import replace

from rlpipe.engine.batched import together
from rlpipe.samplers.independent import independent
from rlpipe.types import Plan, draw_seed
from tests.toy import Answering, step, toy_prompt, written


class Recording(Answering):
    """An engine that answers with what it was asked: the seed is the only response token."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def encode(self, messages):
        return [len(m["content"]) for m in messages]

    def answer(self, requests):
        self.calls.append(list(requests))
        return [written(r, [r.seed], policy_step=9) for r in requests]


PROMPTS = [toy_prompt("a"), toy_prompt("bb"), toy_prompt("ccc")]


def groups_of(prompts, engine, plan: Plan):
    return together([independent(prompts, {"policy": engine}, plan)])[0]


def seeds(prompts, at):
    return [[int(r.tokens[-1]) for r in g.rollouts] for g in groups_of(prompts, Recording(), at.plan)]


def test_groups_in_the_order_of_prompts_in_one_call_of_the_engine():
    engine, at = Recording(), step(5)
    groups = groups_of(PROMPTS, engine, at.plan)
    assert [g.prompt for g in groups] == PROMPTS
    assert [len(g.rollouts) for g in groups] == [4, 4, 4]
    (asked,) = engine.calls
    assert [r.prefix for r in asked] == [(len(p.messages[0]["content"]),) for p in PROMPTS for _ in range(4)]
    assert {r.sampling for r in asked} == {at.plan.sampling}
    assert len({r.seed for r in asked}) == 12
    assert all(g.reward is None and g.verdicts == () for g in groups)
    assert {(r.policy_step, r.sampling) for g in groups for r in g.rollouts} == {(9, at.plan.sampling)}


def test_draws_do_not_depend_on_the_other_prompts():
    assert seeds(PROMPTS, step(3))[1] == seeds([PROMPTS[1]], step(3))[0]
    assert seeds(PROMPTS, step(3))[1] == [draw_seed(7, 3, 0, PROMPTS[1].id, i) for i in range(4)]


def test_draws_differ_by_step_seed_and_round():
    later_round = replace(step(3), plan=replace(step(3).plan, round=1))
    drawn = [seeds(PROMPTS, at)[0] for at in (step(3), step(4), step(3, seed=8), later_round)]
    assert len({s for four in drawn for s in four}) == 16


def test_draws_with_a_purpose_depend_on_neither_step_nor_round():
    plan = replace(step(3).plan, purpose="evaluate")
    first, other = (seeds(PROMPTS, replace(step(), plan=p))[0] for p in (plan, replace(plan, step=4, round=1)))
    assert first == other == [draw_seed(7, "evaluate", PROMPTS[0].id, i) for i in range(4)]


def test_a_prompt_met_twice_is_not_answered_twice_alike():
    first, _, again = seeds([PROMPTS[0], PROMPTS[1], PROMPTS[0]], step(3))
    assert not set(first) & set(again)
    assert first == seeds([PROMPTS[0]], step(3))[0]
    later = replace(step(3), plan=replace(step(3).plan, first=4))
    assert again == seeds([PROMPTS[0]], later)[0]
