"""What a step trains on: prompts drawn until enough are selected, and every group scored in the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.recipe import load
from rlpipe.train.collect import collect
from rlpipe.train.log import Metrics
from rlpipe.types import Group, Verdict
from rlpipe.verifiers.error_rate import ErrorRate
from tests.toy import rollout, step, toy_prompt

POOL = [toy_prompt(f"p{i}") for i in range(8)]


class Sampler:
    """Groups of two rollouts, `copies` for each prompt; remembers what it was asked."""

    def __init__(self, copies=1):
        self.copies, self.asked = copies, []

    async def __call__(self, prompts, engines, plan):
        self.asked.append(([p.id for p in prompts], plan.step, plan.round))
        return [Group(p, (rollout(3), rollout(4))) for p in prompts for _ in range(self.copies)]


def judge(groups, at):
    """The first rollout is right."""
    return [replace(g, verdicts=(Verdict(1.0, "ok"), Verdict(0.0, "wrong"))) for g in groups]


class Dropping:
    """Drops the groups of the prompts named; remembers how many it saw at a time."""

    def __init__(self, *names):
        self.names, self.seen = names, []

    def __call__(self, groups, at):
        self.seen.append(len(groups))
        return [g for g in groups if g.prompt.id not in self.names]


def in_order(pool, n, at):
    """A curriculum without shuffling: goes on where it was."""
    start = in_order.given
    in_order.given += n
    return [pool[i % len(pool)] for i in range(start, start + n)]


@pytest.fixture(autouse=True)
def from_the_start():
    in_order.given = 0


def collected(sampler, prompts=3, refills=9, pool=POOL, **slots):
    recipe = replace(load(["grpo"]), curriculum=in_order, sampler=sampler, judge=judge, **slots)
    return collect(pool, {}, recipe, step(5), prompts, refills, ErrorRate())


def ids(groups):
    return [g.prompt.id for g in groups]


def test_prompts_are_drawn_again_for_those_that_were_not_selected():
    sampler, drop = Sampler(), Dropping("p0", "p2", "p3")
    found = collected(sampler, selection=(drop,))
    assert sampler.asked == [(["p0", "p1", "p2"], 5, 0), (["p3", "p4"], 5, 1), (["p5"], 5, 2)]
    assert drop.seen == [3, 5, 6], "selection sees all groups of the step"
    assert ids(found.kept) == ["p1", "p4", "p5"]
    assert ids(found.sampled) == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert (found.refills, found.num_tokens) == (2, 6 * 7)


def test_refills_end_at_their_limit():
    sampler = Sampler()
    found = collected(sampler, refills=1, selection=(Dropping("p0", "p2", "p3"),))
    assert (ids(found.kept), found.refills, len(sampler.asked)) == (["p1", "p4"], 1, 2)


def test_several_groups_of_one_prompt_are_one_prompt_and_never_cut():
    sampler, drop = Sampler(copies=2), Dropping("p1")
    found = collected(sampler, selection=(drop,))
    assert [asked for asked, _, _ in sampler.asked] == [["p0", "p1", "p2"], ["p3"]]
    assert ids(found.kept) == ["p0", "p0", "p2", "p2", "p3", "p3"]


def test_a_prompt_that_keeps_one_of_its_groups_is_served():
    def first_of_each(groups, at):
        return [g for i, g in enumerate(groups) if g.prompt.id not in ids(groups[:i])]

    sampler = Sampler(copies=2)
    found = collected(sampler, selection=(first_of_each,))
    assert (ids(found.kept), len(found.sampled), found.refills) == (["p0", "p1", "p2"], 6, 0)


def test_a_selection_may_thin_groups_and_the_next_sees_it_so():
    def thin(groups, at):
        return [replace(g, rollouts=g.rollouts[:1], verdicts=g.verdicts[:1], reward=g.reward[:1]) for g in groups]

    def of_one(groups, at):
        return [g for g in groups if len(g.rollouts) == 1]

    found = collected(Sampler(), selection=(thin, of_one))
    assert [len(g.rollouts) for g in found.kept] == [1, 1, 1]
    assert [len(g.rollouts) for g in found.sampled] == [2, 2, 2]
    assert found.refills == 0


def test_a_prompt_drawn_twice_counts_twice():
    sampler = Sampler()
    found = collected(sampler, pool=POOL[:2])
    assert (sampler.asked, ids(found.kept)) == ([(["p0", "p1", "p0"], 5, 0)], ["p0", "p1", "p0"])

    def all_but_one(groups, at):
        return groups[1:]

    sampler = Sampler()
    in_order.given = 0
    found = collected(sampler, pool=POOL[:1], selection=(all_but_one,))
    assert [asked for asked, _, _ in sampler.asked] == [["p0"] * 3, ["p0"]]
    assert (len(found.kept), found.refills) == (3, 1)


def test_reward_terms_are_kept_logged_and_there_for_the_reward():
    def length(groups, at):
        return [torch.tensor([r.response_length for r in g.rollouts]) for g in groups]

    def judged(groups, at):
        return [torch.tensor([v.score for v in g.verdicts]) - g.reward_terms["length"] for g in groups]

    def total(groups, at):
        return [sum(g.reward_terms.values()) for g in groups]

    def doubled(groups, at):
        return [2 * g.reward for g in groups]

    terms = {"length": length, "judged": judged}
    found = collected(Sampler(), reward_terms=terms, reward=total, reward_shaping=(doubled,))
    for group in found.kept:
        assert {name: value.tolist() for name, value in group.reward_terms.items()} == {
            "length": [3, 4],
            "judged": [-2, -4],
        }
        assert group.reward.tolist() == [2, 0]
    metrics = Metrics()
    metrics.of_groups(found)
    logged = {name: metrics.values[name] for name in ("reward", "pass@1", "reward/length", "reward/judged")}
    assert logged == {"reward": 1.0, "pass@1": 0.5, "reward/length": 3.5, "reward/judged": -3.0}


def test_the_step_says_which_round_it_is():
    rounds = []

    def paid(groups, at):
        rounds.append((at.index, at.plan.step, at.plan.round))
        return [torch.ones(2) for _ in groups]

    collected(Sampler(), selection=(Dropping("p0"),), reward=paid)
    assert rounds == [(5, 5, 0), (5, 5, 1)]


@pytest.mark.parametrize("slot", ["reward", "reward_shaping"])
def test_a_reward_of_another_shape_is_refused(slot):
    def wrong(groups, at):
        return [torch.ones(2) for _ in groups[1:]] + [torch.ones(3)]

    with pytest.raises(ValueError, match=r"prompt p2: reward has shape \(3,\), but there are 2 rollouts"):
        collected(Sampler(), **{slot: wrong if slot == "reward" else (wrong,)})


def test_a_reward_that_leaves_a_group_out_is_refused():
    with pytest.raises(ValueError, match="zip"):
        collected(Sampler(), reward=lambda groups, at: [torch.ones(2) for _ in groups[1:]])
