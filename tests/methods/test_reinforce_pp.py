from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.toy import F1_ENTROPY, F1_MASK, blank, double, f1, step

REWARD = double([1, 0, 0, 1, 1, 1, 0.5, 0])
LENGTH = torch.tensor([3, 4, 2, 4, 1, 2, 3, 4])


def batch():
    """The example of specs, baselines: eight rollouts, two groups."""
    mask = torch.arange(4) < LENGTH[:, None]
    return blank(mask, group=torch.arange(8) // 4, reward=REWARD)


def test_published_example():
    advantage = load(["reinforce_pp"]).advantage(batch(), step())
    expected = double([1.048809, -1.048809, -1.048809, 1.048809, 1.048809, 1.048809, 0, -1.048809])
    torch.testing.assert_close(advantage[:, 0], expected, atol=1e-6, rtol=0)


def test_baseline_variant():
    advantage = load([{"reinforce_pp": {"baseline": "group"}}]).advantage(batch(), step())
    expected = double([1.138772, -0.915483, -0.915483, 1.138772, 0.881990, 0.881990, -0.145138, -1.172265])
    torch.testing.assert_close(advantage[:, 0], expected, atol=1e-6, rtol=0)


def test_discount_makes_early_tokens_worth_less_before_whitening():
    advantage = load([{"reinforce_pp": {"gamma": 0.5}}]).advantage(batch(), step())
    # Rollout 3 is right and has four tokens: returns 1/8, 1/4, 1/2, 1, so its advantages differ by those steps.
    steps = advantage[3].diff()
    torch.testing.assert_close(steps[1:] / steps[:-1], double([2, 2]))


def test_kl_inside_each_tokens_reward():
    """Reward to go of the penalty: the first token answers for all, the last for its own."""
    reference = Signals(torch.full((4, 4), -0.5, dtype=torch.float64), F1_ENTROPY)
    old = Signals(torch.full((4, 4), -0.25, dtype=torch.float64), F1_ENTROPY)
    recipe = load([{"reinforce_pp": {"kl": 0.1}}])
    assert recipe.needs == {"reference"}
    assert load(["reinforce_pp"]).needs == set()
    toy = replace(f1(), old=old, reference=reference, reward=double([0, 0, 0, 0]))
    advantage = recipe.advantage(toy, step())
    # k1 is 0.25 everywhere: reward to go -0.025 times the tokens left; whitening keeps equal spacing.
    whole = advantage[1].diff()
    torch.testing.assert_close(whole, whole[:1].expand_as(whole))
    assert (whole > 0).all()
    assert (advantage[~F1_MASK] == 0).all()


def test_kl_is_summed_into_the_score_before_the_group_is_centred():
    """verl's order: one score per rollout, minus the group's mean of such scores, on every token; then whitened."""
    old = Signals(double([[-0.1] * 4, [-0.3] * 4, [-0.2] * 4, [-0.4] * 4]), F1_ENTROPY)
    reference = Signals(torch.full((4, 4), -0.5, dtype=torch.float64), F1_ENTROPY)
    recipe = load([{"reinforce_pp": {"baseline": "group", "kl": 0.1}}])
    advantage = recipe.advantage(replace(f1(), old=old, reference=reference), step())
    # Tokens 3, 4, 2, 4; k1 0.4, 0.2, 0.3, 0.1 each: scores 1 - 0.12, 0 - 0.08, 1 - 0.06, 0 - 0.04.
    score = double([0.88, -0.08, 0.94, -0.04])
    centred = (score - double([0.40, 0.40, 0.45, 0.45]))[:, None] * F1_MASK
    tokens = centred[F1_MASK]
    whitened = (centred - tokens.mean()) * torch.rsqrt(tokens.var(correction=0) + 1e-8) * F1_MASK
    ratio = advantage[F1_MASK] / whitened[F1_MASK]
    assert (ratio > 0).all()
    assert ratio.max() / ratio.min() < 1 + 1e-6
    assert all(len(set(row[m].tolist())) == 1 for row, m in zip(advantage, F1_MASK, strict=True)), "no token of its own"


def test_equal_rewards_teach_nothing():
    same = replace(batch(), reward=torch.ones(8, dtype=torch.float64))
    assert (load(["reinforce_pp"]).advantage(same, step()).abs() < 1e-6).all()
