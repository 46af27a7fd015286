from __future__ import annotations

import torch

from rlpipe.recipe import load
from tests.toy import group, step


def paid(groups, at=0, **values):
    return load(["grpo", {"random_reward": values}]).reward(groups, step(at))


def test_pays_right_and_wrong_alike():
    groups = [group([i % 2] * 16, name=f"p{i}") for i in range(125)]
    rewards = paid(groups)
    assert {len(r) for r in rewards} == {16}
    for parity in (0, 1):
        share = float(torch.cat(rewards[parity::2]).mean())
        assert abs(share - 0.5) < 0.08  # Five deviations of a mean of 1,000 coins.


def test_repeats_for_the_same_draw_and_for_nothing_else():
    scores = [0] * 64
    same, other_step, other_prompt = (
        paid([group(scores, name=name, policy_step=at)])[0] for name, at in (("a", 3), ("a", 4), ("b", 3))
    )
    torch.testing.assert_close(paid([group(scores, name="a", policy_step=3)])[0], same)
    assert 10 < int((same != other_step).sum()) < 54
    assert 10 < int((same != other_prompt).sum()) < 54
    (other_seed,) = paid([group(scores, name="a", policy_step=3)], seed=1)
    assert 10 < int((same != other_seed).sum()) < 54


def test_a_rollouts_coin_depends_on_its_own_draw_alone():
    both = paid([group([0, 0], name="a"), group([0, 0], name="b")])
    torch.testing.assert_close(paid([group([1, 1], name="b")])[0], both[1])


def test_probability():
    assert paid([group([0] * 50)], probability=1.0)[0].sum() == 50
    assert paid([group([1] * 50)], probability=0.0)[0].sum() == 0
    fading = {"start": 1, "end": 0, "steps": 10}
    for at, policy_step, sum_of_rewards in ((0, 0, 50), (10, 10, 0), (10, 0, 0)):  # the last of a rollout from before
        assert paid([group([0] * 50, policy_step=policy_step)], at, probability=fading)[0].sum() == sum_of_rewards
