"""Broken methods, each with the checks of the contract that must catch it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial

import pytest
import torch

from rlpipe.ops.masked import masked
from rlpipe.ops.policy_losses import clipped, unclipped
from rlpipe.ops.reductions import token_mean
from rlpipe.recipe import load
from rlpipe.types import TokenLoss
from tests.contract import (
    check_micro_batches,
    check_no_advantage_no_policy_loss,
    check_order,
    check_padding,
    check_pickles,
    check_poisoned_padding,
    check_stateless,
)


def whitening(policy, batch, at):
    """Whitens advantages inside the loss: a statistic of whatever micro-batch it is given."""
    values = batch.advantage[batch.response_mask]
    advantage = masked((batch.advantage - values.mean()) / (values.std(unbiased=False) + 1e-3), batch.response_mask)
    return unclipped(policy, replace(batch, advantage=advantage), at)


def leaking(policy, batch, at):
    """Masks by multiplication, after the exponential."""
    return TokenLoss(-batch.advantage * (policy.logprob - batch.old.logprob).exp() * batch.response_mask)


def bonus_inside(policy, batch, at):
    """Hides a second loss in the policy loss."""
    return TokenLoss(unclipped(policy, batch, at).loss - 0.1 * masked(policy.entropy, batch.response_mask))


class Counting:
    """Remembers how often it was called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, policy, batch, at):
        self.calls += 1
        return TokenLoss(unclipped(policy, batch, at).loss * self.calls)


def padded_length(batch, at):
    return batch.response_mask / torch.tensor(batch.response_mask.numel()).double()


def padded_mean(batch, at):
    """Centres by a mean over all positions, padding included."""
    return (batch.reward[:, None] - batch.response_mask.double().mean()) * batch.response_mask


def first_rollout(batch, at):
    """Takes out whatever rollout comes first."""
    weight = torch.ones_like(batch.advantage)
    weight[0] = 0
    return weight


def weighs_by_padding(batch, at):
    return batch.sampling_logprob.exp() + 0 * batch.sampling_logprob.sum()


BROKEN = {
    "whitening": ({"policy_loss": whitening}, [check_micro_batches]),
    "padded_length": ({"reduction": padded_length}, [check_padding]),
    "padded_mean": ({"advantage": padded_mean}, [check_padding]),
    "leaking": ({"policy_loss": leaking}, [check_poisoned_padding]),
    "bonus_inside": ({"policy_loss": bonus_inside}, [check_no_advantage_no_policy_loss]),
    "counting": ({"policy_loss": Counting()}, [check_stateless]),
    "first_rollout": ({"token_weights": (first_rollout,)}, [check_order]),
    "weighs_by_padding": ({"token_weights": (weighs_by_padding,)}, [check_poisoned_padding]),
    "lambda": ({"advantage": lambda batch, at: batch.advantage + 1.0 * batch.response_mask}, [check_pickles]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_battery_fails_for_a_broken_method(name):
    slots, checks = BROKEN[name]
    sound = replace(load(["grpo"]), policy_loss=partial(clipped, low=0.2, high=0.2), reduction=token_mean)
    for check in checks:
        check(sound)
        with pytest.raises((AssertionError, AttributeError, pickle.PicklingError)):
            check(replace(sound, **slots))
