"""Golden numbers of specs, baselines: two groups, rewards [1,0,0,1] and [1,1,0.5,0]."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.ops.advantages import (
    group_centred,
    group_constant,
    group_mean,
    group_relative,
    leave_one_out,
    on_last_token,
    on_tokens,
    returns,
)
from rlpipe.ops.masked import whiten
from tests.toy import double

REWARD = double([1, 0, 0, 1, 1, 1, 0.5, 0])
GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
LENGTH = torch.tensor([3, 4, 2, 4, 1, 2, 3, 4])
MASK = torch.arange(4) < LENGTH[:, None]
ESTIMATORS = [group_relative, group_centred, leave_one_out]


def golden(actual, expected):
    torch.testing.assert_close(actual, double(expected), atol=1e-6, rtol=0)


def test_grpo():
    golden(
        group_relative(REWARD, GROUP),
        [0.866024, -0.866024, -0.866024, 0.866024, 0.783348, 0.783348, -0.261116, -1.305580],
    )


def test_dr_grpo():
    golden(group_centred(REWARD, GROUP), [0.5, -0.5, -0.5, 0.5, 0.375, 0.375, -0.125, -0.625])


def test_rloo():
    golden(
        leave_one_out(REWARD, GROUP),
        [0.666667, -0.666667, -0.666667, 0.666667, 0.5, 0.5, -0.166667, -0.833333],
    )


def test_reinforce_pp_baseline():
    whitened = whiten(on_tokens(group_centred(REWARD, GROUP), MASK), MASK)
    golden(whitened[:, 0], [1.138772, -0.915483, -0.915483, 1.138772, 0.881990, 0.881990, -0.145138, -1.172265])
    assert (whitened[~MASK] == 0).all()


def test_reinforce_pp():
    whitened = whiten(returns(on_last_token(REWARD, MASK), MASK, 1.0), MASK)
    golden(whitened[:, 0], [1.048809, -1.048809, -1.048809, 1.048809, 1.048809, 1.048809, 0, -1.048809])
    torch.testing.assert_close(whitened, torch.where(MASK, whitened[:, :1], 0.0))


def test_a_group_of_one():
    # Mean 0 and deviation 1, as in verl: r / (1 + 1e-6), r and r.
    for estimator, expected in zip(ESTIMATORS, [0.7 / (1 + 1e-6), 0.7, 0.7], strict=True):
        golden(estimator(double([0.7]), torch.tensor([5])), [expected])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_equal_rewards_are_worth_exactly_nothing(estimator):
    # The mean of three times 0.1 is not 0.1; a rounding error over 1e-6 would be an advantage, and rollouts without one
    # are not forwarded.
    for dtype in (torch.float32, torch.float64):
        assert (estimator(torch.tensor([0.1, 0.1, 0.1], dtype=dtype), torch.tensor([3, 3, 3])) == 0).all()


def test_std_floor_bounds_the_division():
    reward = double([0.01, -0.01])
    golden(group_relative(reward, torch.zeros(2, dtype=torch.long), std_floor=0.5), [0.01 / 0.500001, -0.01 / 0.500001])


def test_group_statistics():
    golden(group_mean(REWARD, GROUP), [0.5] * 4 + [0.625] * 4)
    assert group_constant(double([2, 2, 1, 0]), torch.tensor([0, 0, 1, 1])).tolist() == [True, True, False, False]


def test_discounted_returns_by_hand():
    # Reward 1 on the last of three tokens, gamma 0.5: 1/4, 1/2, 1.
    mask = torch.tensor([[True, True, True, False]])
    golden(returns(double([[0, 0, 1, 9]]), mask, 0.5), [[0.25, 0.5, 1, 0]])


def test_returns_pass_through_what_the_policy_did_not_write():
    # Two turns around one token of tool output: the last turn's reward reaches the first, undiscounted by the tool.
    mask = torch.tensor([[True, False, True]])
    for gamma, expected in ((1.0, [[1.0, 0, 1]]), (0.5, [[0.5, 0, 1]])):
        golden(returns(double([[0, 7, 1]]), mask, gamma), expected)
    golden(on_last_token(double([3]), mask), [[0, 0, 3]])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=8),
    st.integers(1, 3),
    st.integers(0, 10**6),
    st.sampled_from(ESTIMATORS),
)
def test_zero_mean_and_equivariant(rewards, copies, seed, estimator):
    reward = double(rewards * copies)
    group = torch.arange(copies).repeat_interleave(len(rewards)) * 3
    value = estimator(reward, group)
    torch.testing.assert_close(group_mean(value, group), torch.zeros_like(value), atol=1e-6, rtol=0)
    order = torch.randperm(len(reward), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(estimator(reward[order], group[order]), value[order])
