from __future__ import annotations

import torch

from rlpipe.recipe import load
from tests.toy import F1_ADVANTAGE, F1_POLICY, double, f1, step


def test_no_division_by_the_deviation():
    advantage = load(["dr_grpo"]).advantage(f1(reward=double([1, 0, 5, 1])), step())
    torch.testing.assert_close(advantage[:, 0], double([0.5, -0.5, 2, -2]))


def test_no_division_by_the_own_length():
    # A token of the rollout of 2 weighs what one of the rollout of 4 weighs: 1 / (4 rollouts x length).
    recipe = load([{"dr_grpo": {"length": 4, "clip_high": 0.28}}])
    weight = recipe.reduction(f1(), step())
    assert set(weight.flatten().tolist()) == {0.0, 1 / 16}
    # Specs, baselines: seq-mean-token-sum-norm of the clip 0.2/0.28 on F1.
    loss = (recipe.policy_loss(F1_POLICY, f1(), step()).loss * weight).sum()
    torch.testing.assert_close(float(loss), 0.098417, atol=1e-6, rtol=0)


def test_length_scales_the_loss_and_nothing_else():
    short, published = (load([{"dr_grpo": {"length": n}}]).reduction(f1(), step()) for n in (30, 3000))
    torch.testing.assert_close(short, 100 * published)


def test_grpo_up_to_a_factor_where_deviations_agree():
    batch = f1(advantage=F1_ADVANTAGE)
    ratio = load(["dr_grpo"]).advantage(batch, step()) / load(["grpo"]).advantage(batch, step())
    known = ratio[batch.response_mask]
    torch.testing.assert_close(known, known[:1].expand_as(known))
