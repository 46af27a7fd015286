from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.ops.advantages import group_relative
from rlpipe.recipe import load
from rlpipe.rewards.length import overlong_penalty
from tests.toy import F1_POLICY, f1, group, step


def test_published_clip_on_f1():
    recipe = load(["dapo"])
    loss = (recipe.policy_loss(F1_POLICY, f1(), step()).loss * recipe.reduction(f1(), step())).sum()
    torch.testing.assert_close(float(loss), 0.121128, atol=1e-6, rtol=0)


def test_published_penalty_on_rewards_of_0_and_1():
    # 16384 -> 0, 18432 -> -0.5, 20480 -> -1 on rewards of +1 and -1: half of that here.
    (shape,) = load(["dapo"]).reward_shaping
    toy = group([1, 1, 1, 0], lengths=[16384, 18432, 20480, 30000])
    torch.testing.assert_close(shape([toy], step())[0], torch.tensor([1, 0.75, 0.5, -0.5]))


def test_dynamic_sampling_keeps_groups_with_right_and_wrong():
    (select,) = load(["dapo"]).selection
    scores = {"mixed": [1, 0, 1], "right": [1, 1], "wrong": [0, 0], "one": [0]}
    kept = select([group(each, name=name) for name, each in scores.items()], step())
    assert [g.prompt.id for g in kept] == ["mixed", "one"]
    # Accuracy decides, not the reward that shaping has moved apart.
    assert not select([replace(group([1, 1]), reward=torch.tensor([1.0, 0.5]))], step())
    assert load([{"dapo": {"dynamic_sampling": False}}]).selection == ()


def test_half_the_penalty_on_rewards_of_0_and_1_gives_the_papers_advantages():
    (shape,) = load([{"dapo": {"max_length": 10, "buffer": 0.4}}]).reward_shaping
    toy = group([1, 1, 0, 0], lengths=[3, 8, 9, 10])
    (shaped,) = shape([toy], step())
    paper = 2 * toy.reward - 1 + overlong_penalty(torch.tensor([3, 8, 9, 10]), max_length=10, cache=4)
    same = torch.zeros(4, dtype=torch.long)
    torch.testing.assert_close(group_relative(shaped, same), group_relative(paper, same), atol=1e-5, rtol=0)


def test_penalty_may_be_a_schedule_read_at_the_step():
    recipe = load([{"dapo": {"overlong_penalty": {"start": 1, "end": 0, "steps": 4}, "max_length": 10, "buffer": 0.4}}])
    stale = group([1], lengths=[10], policy_step=1)
    torch.testing.assert_close(recipe.reward_shaping[0]([stale], step(2))[0], torch.tensor([0.75]))


def test_says_how_many_rollouts_were_fined():
    assert load([{"dapo": {"max_length": 4, "buffer": 0.25}}]).diagnose(f1(), step()) == {"overlong": 0.5}
    assert load(["dapo"]).diagnose(f1(), step()) == {"overlong": 0.0}
