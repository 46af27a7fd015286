"""Golden numbers of specs, dace: certainty [1.2, 0.8, 1.5, 0.6]."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.methods.dace import direction_of, shaped_reward
from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.toy import F1_ENTROPY, F1_MASK, F1_OLD, double, f1, step

CERTAINTY = double([1.2, 0.8, 1.5, 0.6])
SAME = torch.zeros(4, dtype=torch.long)


def batch(verdicts):
    """Four rollouts of one prompt; the certainty signal varies over tokens and has the wanted mean."""
    wiggle = double([[-0.1, 0.1, 0, 7], [-0.2, 0.2, 0.1, -0.1], [0.3, -0.3, 7, 7], [0.1, 0, 0, -0.1]])
    signal = CERTAINTY[:, None] + wiggle
    old = Signals(F1_OLD, F1_ENTROPY, {"self_certainty": signal})
    return f1(old=old, group=SAME, reward=double(verdicts), correct=double(verdicts) == 1)


def advantage(verdicts, **hyperparameters):
    toy = batch(verdicts)
    value = load(["grpo", {"dace": hyperparameters}]).advantage(toy, step())
    torch.testing.assert_close(value, torch.where(F1_MASK, value[:, :1], 0.0))
    return value[:, 0]


def golden(actual, expected):
    torch.testing.assert_close(actual, double(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("verdicts", "direction", "reward"),
    [
        ([1, 0, 0, 0], -1, [0.94, -0.04, -0.075, -0.03]),
        ([1, 1, 1, 0], 1, [1.06, 1.04, 1.075, 0.03]),
        ([1, 1, 0, 0], -1, [0.94, 0.96, -0.075, -0.03]),
    ],
)
def test_shaped_reward(verdicts, direction, reward):
    sign = direction_of(double(verdicts) == 1, SAME, 0.4)
    assert (sign == direction).all()
    golden(shaped_reward(double(verdicts), sign, CERTAINTY, 0.05), reward)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([1, 0, 0, 0], [1.498855, -0.482768, -0.553540, -0.462547]),
        ([1, 1, 1, 0], [0.503045, 0.464162, 0.532207, -1.499414]),
        ([0, 0, 0, 0], [-0.434100, 0.558129, -1.178272, 1.054243]),
        ([1, 1, 1, 1], [0.434100, -0.558129, 1.178272, -1.054243]),
    ],
)
def test_advantage(verdicts, expected):
    golden(advantage(verdicts), expected)


def test_without_the_deviation_certainty_stays_small():
    golden(advantage([1, 1, 1, 1], standardise=False), [0.008750, -0.011250, 0.023750, -0.021250])


def test_a_floor_under_the_deviation_keeps_it_small_too():
    floored = advantage([1, 1, 1, 1], std_floor=0.5)
    golden(floored, [0.0175, -0.0225, 0.0475, -0.0425])


def test_at_beta_it_is_grpo():
    # Every share that ten rollouts can have, in double precision.
    for wrong in range(11):
        correct = torch.arange(10) >= wrong
        assert (direction_of(correct, torch.zeros(10, dtype=torch.long), wrong / 10) == 0).all()
    golden(advantage([1, 1, 0, 0], beta=0.5), load(["grpo"]).advantage(batch([1, 1, 0, 0]), step())[:, 0].tolist())


def test_scale_zero_is_grpo():
    golden(
        advantage([1, 0, 0, 0], alpha_scale=0.0), load(["grpo"]).advantage(batch([1, 0, 0, 0]), step())[:, 0].tolist()
    )


def test_mean_logprob_as_certainty():
    mean = (F1_OLD * F1_MASK).sum(-1) / F1_MASK.sum(-1)
    expected = double([1, 0, 0, 0]) - 0.05 * mean
    value = advantage([1, 0, 0, 0], certainty="mean_logprob", standardise=False)
    torch.testing.assert_close(value, expected - expected.mean())
    assert load(["grpo", {"dace": {"certainty": "mean_logprob"}}]).signals == {}


def test_an_empty_response_has_no_certainty():
    toy = batch([1, 0, 0, 0])
    mask = F1_MASK.clone()
    mask[3] = False
    recipe = load(["grpo", {"dace": {"standardise": False}}])
    value = recipe.advantage(replace(toy, response_mask=mask), step())
    expected = double([1 - 0.05 * 1.2, -0.05 * 0.8, -0.05 * 1.5, 0])
    torch.testing.assert_close(value[:3, 0], (expected - expected.mean())[:3])
    assert (value[3] == 0).all()


def test_says_how_often_certainty_alone_decides():
    toy = batch([1, 1, 0, 0])
    toy = replace(toy, group=torch.tensor([0, 0, 1, 2]), correct=torch.tensor([True, False, False, True]))
    assert load(["grpo", "dace"]).diagnose(toy, step()) == {"certainty_only": 0.5}
    assert load(["grpo", {"dace": {"alpha_scale": 0.0}}]).diagnose(toy, step()) == {"certainty_only": 0.0}


def test_replaces_the_bases_advantage():
    recipe = load(["dr_grpo", "dace"])
    assert [*map(str, recipe.changes)] == ["dace replaces dr_grpo's advantage"]
