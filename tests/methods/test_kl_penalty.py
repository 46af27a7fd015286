"""Meaning on an enumerable answer space (specs, kl_bayes): beta 0.5, optimum pi* = pi0 exp(r / beta) / Z."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.toy import F1_MASK, F1_NEW, F1_OLD, F1_POLICY, blank, double, f1, leaf, step

PI0, REWARD, BETA = double([0.5, 0.3, 0.15, 0.05]), double([0, 1, 0.5, 2]), 0.5
OPTIMUM = double([0.085406, 0.378643, 0.069648, 0.466303])
ONE = torch.ones(4, 1, dtype=torch.bool)


def trained(estimator, where, steps=80, rate=4.0):
    """Exact gradient descent on the logits of four one-token rollouts, each weighed by its probability."""
    recipe = load([{"rloo": {}}, {"kl_penalty": {"coefficient": BETA, "estimator": estimator, "where": where}}])
    reference = Signals(PI0.log()[:, None], torch.zeros(4, 1).double())
    logits = PI0.log()
    for _ in range(steps):
        logits = leaf(logits.detach())
        logprob = logits.log_softmax(-1)[:, None]
        policy = Signals(logprob, torch.zeros(4, 1).double())
        old = Signals(logprob.detach(), policy.entropy)
        # Groups of one: the reward is the advantage, and the probability of each answer stands for sampling it.
        batch = blank(ONE, old=old, reference=reference, reward=REWARD)
        batch = replace(batch, advantage=recipe.advantage(batch, step()))
        loss = recipe.policy_loss(policy, batch, step()).loss
        for auxiliary in recipe.auxiliary_losses:
            loss = loss + auxiliary(policy, batch, step()).loss
        (logprob.detach().exp() * loss).sum().backward()
        logits = logits - rate * logits.grad
    return logits.detach().softmax(-1)


@pytest.mark.parametrize(("estimator", "where"), [("k2", "loss"), ("k3+", "loss"), ("k1", "reward")])
def test_converges_to_the_optimum(estimator, where):
    torch.testing.assert_close(trained(estimator, where), OPTIMUM, atol=2e-6, rtol=0)


def test_k3_in_the_loss_ends_elsewhere():
    """Its gradient is that of the forward KL: at its fixed point q (r - E r) = beta (q - pi0)."""
    q = trained("k3", "loss")
    assert (q - OPTIMUM).abs().max() > 0.02
    torch.testing.assert_close(q * (REWARD - (q * REWARD).sum()), BETA * (q - PI0), atol=1e-6, rtol=0)


def test_k1_in_the_loss_holds_nothing():
    free = trained("k1", "loss", steps=60)
    assert float((free * REWARD).sum()) > 1.9  # Without a penalty the best answer takes all; the optimum has 1.346.


def test_gradient_of_the_objective():
    # q = [.4,.3,.2,.1]: dJ/dlogits = q (a - sum q a) with a = r - beta log(q / pi0).
    q = double([0.4, 0.3, 0.2, 0.1])
    logits = leaf(q.log())
    logprob = logits.log_softmax(-1)[:, None]
    zero = torch.zeros(4, 1).double()
    recipe = load(["rloo", {"kl_penalty": {"coefficient": BETA, "estimator": "k1", "where": "reward"}}])
    reference = Signals(PI0.log()[:, None], zero)
    batch = blank(ONE, old=Signals(logprob.detach(), zero), reference=reference, reward=REWARD)
    batch = replace(batch, advantage=recipe.advantage(batch, step()))
    loss = recipe.policy_loss(Signals(logprob, zero), batch, step()).loss
    (q[:, None] * loss).sum().backward()
    expected = double([-0.187853, 0.125639, -0.045009, 0.107222])
    torch.testing.assert_close(-logits.grad, expected, atol=1e-6, rtol=0)


def test_in_the_reward_the_whole_rollout_answers():
    reference = Signals(F1_NEW, F1_POLICY.entropy)
    recipe = load(["dr_grpo", {"kl_penalty": {"coefficient": 0.1, "estimator": "k1", "where": "reward"}}])
    batch = f1(reference=reference, group=torch.arange(4))
    shaped = double([1, 0, 1, 0]) - 0.1 * ((F1_OLD - F1_NEW) * F1_MASK).sum(-1)
    torch.testing.assert_close(recipe.advantage(batch, step())[:, 0], shaped)
    assert recipe.auxiliary_losses == ()
    assert [*map(str, recipe.changes)] == ["kl_penalty wraps dr_grpo's advantage"]


def test_in_the_loss_the_advantage_is_left_alone():
    recipe = load(["grpo", "kl_penalty"])
    batch = f1(reference=Signals(F1_OLD, F1_POLICY.entropy))
    torch.testing.assert_close(recipe.advantage(batch, step()), load(["grpo"]).advantage(batch, step()))
    (auxiliary,) = recipe.auxiliary_losses
    d = (F1_OLD - F1_NEW) * F1_MASK
    torch.testing.assert_close(auxiliary(F1_POLICY, batch, step()).loss, 0.04 * (d.exp() - d - 1))
    assert recipe.needs == {"reference"}
