from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.methods.dapo import overlong_reward
from rlpipe.ops.advantages import group_relative
from rlpipe.recipe import load
from tests.toy import F1_POLICY, double, f1, group, step


def test_published_clip_on_f1():
    recipe = load(["dapo"])
    loss = (recipe.policy_loss(F1_POLICY, f1(), step()).loss * recipe.reduction(f1())).sum()
    torch.testing.assert_close(float(loss), 0.121128, atol=1e-6, rtol=0)


def test_overlong_penalty():
    penalty = overlong_reward(double([100, 16384, 18432, 20480, 30000]), 1.0, 20480, 4096)
    torch.testing.assert_close(penalty, double([0, 0, -0.5, -1, -1]))


def test_dynamic_sampling_keeps_groups_with_right_and_wrong():
    (keep,) = load(["dapo"]).group_filters
    assert [keep(group(scores)) for scores in ([1, 0, 1], [1, 1], [0, 0], [0])] == [True, False, False, True]
    # Accuracy decides, not the reward that shaping has moved apart.
    assert not keep(replace(group([1, 1]), reward=torch.tensor([1.0, 0.5])))
    assert load([{"dapo": {"dynamic_sampling": False}}]).group_filters == ()


def test_half_the_penalty_on_rewards_of_0_and_1_gives_the_papers_advantages():
    (shape,) = load([{"dapo": {"max_length": 10, "buffer": 4}}]).reward_shaping
    toy = group([1, 1, 0, 0], lengths=[3, 8, 9, 10])
    (shaped,) = shape([toy], [toy.reward])
    paper = 2 * toy.reward - 1 + overlong_reward(torch.tensor([3.0, 8, 9, 10]), 1.0, 10, 4)
    same = torch.zeros(4, dtype=torch.long)
    torch.testing.assert_close(group_relative(shaped, same), group_relative(paper, same), atol=1e-5, rtol=0)


def test_penalty_may_be_a_schedule_read_at_the_step_that_sampled():
    recipe = load([{"dapo": {"overlong_penalty": {"start": 1, "end": 0, "steps": 4}, "max_length": 10, "buffer": 4}}])
    late = group([1], lengths=[10], policy_step=2)
    torch.testing.assert_close(recipe.reward_shaping[0]([late], [late.reward])[0], torch.tensor([0.75]))


def test_says_how_many_rollouts_were_fined():
    assert load([{"dapo": {"max_length": 4, "buffer": 1}}]).diagnose(f1(), step()) == {"overlong": 0.5}
    assert load(["dapo"]).diagnose(f1(), step()) == {"overlong": 0.0}
