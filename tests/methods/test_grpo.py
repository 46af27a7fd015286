from __future__ import annotations

import torch

from rlpipe.ops.reductions import constant_length, sequence_mean, token_mean
from rlpipe.recipe import load
from tests.toy import F1_POLICY, double, f1, step


def test_one_group_by_hand():
    # Rewards 1, 0: mean 0.5, unbiased deviation sqrt(0.5); 0.5 / 0.707108 = 0.707106.
    batch = f1(group=torch.tensor([0, 0, 1, 1]), reward=double([1, 0, 1, 1]))
    advantage = load(["grpo"]).advantage(batch, step())
    torch.testing.assert_close(advantage[:, 0], double([0.707106, -0.707106, 0, 0]), atol=1e-6, rtol=0)
    assert (advantage[~batch.response_mask] == 0).all()


def test_published_loss_on_f1():
    recipe = load([{"grpo": {"reduction": "token"}}])
    loss = (recipe.policy_loss(F1_POLICY, f1(), step()).loss * recipe.reduction(f1(), step())).sum()
    torch.testing.assert_close(float(loss), 0.128105, atol=1e-6, rtol=0)


def test_reductions():
    for name, weight in (("sequence", sequence_mean), ("token", token_mean)):
        torch.testing.assert_close(load([{"grpo": {"reduction": name}}]).reduction(f1(), step()), weight(f1(), step()))
    torch.testing.assert_close(load(["grpo"]).reduction(f1(), step()), sequence_mean(f1(), step()))
    constant = load([{"grpo": {"reduction": "constant", "length": 4}}]).reduction(f1(), step())
    torch.testing.assert_close(constant, constant_length(f1(), step(), length=4))
