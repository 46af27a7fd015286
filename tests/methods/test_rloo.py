from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.toy import F1_ENTROPY, F1_MASK, F1_OLD, double, f1, leaf, step


def test_against_the_mean_of_the_others():
    batch = f1(group=torch.zeros(4, dtype=torch.long), reward=double([1, 0, 0, 1]))
    advantage = load(["rloo"]).advantage(batch, step())
    torch.testing.assert_close(advantage[:, 0], double([2 / 3, -2 / 3, -2 / 3, 2 / 3]))


def test_on_policy_the_gradient_is_reinforce():
    recipe, new = load(["rloo"]), leaf(F1_OLD)
    batch = f1()
    batch = replace(batch, advantage=recipe.advantage(batch, step()))
    loss = recipe.policy_loss(Signals(new, F1_ENTROPY), batch, step()).loss * recipe.reduction(batch, step())
    loss.sum().backward()
    # -A / number of rollouts on every response token: the rollout is one action.
    torch.testing.assert_close(new.grad, -batch.advantage / 4 * F1_MASK)


def test_never_clips():
    recipe, new = load(["rloo"]), leaf(F1_OLD + 3.0)
    recipe.policy_loss(Signals(new, F1_ENTROPY), f1(), step()).loss.sum().backward()
    assert (new.grad[F1_MASK] != 0).all()
