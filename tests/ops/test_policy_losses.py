"""Golden numbers of specs, baselines, on F1."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from rlpipe.ops.policy_losses import clipped, clipped_surrogate, surrogate, unclipped
from rlpipe.ops.reductions import constant_length, sequence_mean, token_mean
from rlpipe.types import Signals
from tests.toy import F1_ENTROPY, F1_MASK, F1_NEW, F1_POLICY, double, f1, leaf, step


def loss(reduction=token_mean, **bounds):
    batch = f1()
    return float((clipped(F1_POLICY, batch, step(), **bounds).loss * reduction(batch, step())).sum())


def close(actual, expected):
    torch.testing.assert_close(float(actual), expected, atol=1e-6, rtol=0)


def test_ppo_with_dual_clip():
    close(loss(low=0.2, high=0.2, dual=3.0), 0.128105)
    close(clipped(F1_POLICY, f1(), step(), low=0.2, high=0.2).metrics["clip_fraction"].sum() / 13, 0.307692)


@pytest.mark.parametrize("dual", [3.0, 10.0])
def test_clip_higher(dual):
    close(loss(low=0.2, high=0.28, dual=dual), 0.121128)
    result = clipped(F1_POLICY, f1(), step(), low=0.2, high=0.28, dual=dual)
    assert int(result.metrics["clip_fraction"].sum()) == 3
    assert int(result.metrics["dual_clip_fraction"].sum()) == 0


def test_clip_higher_under_other_reductions():
    close(loss(sequence_mean, low=0.2, high=0.28, dual=10.0), -0.039077)
    close(loss(partial(constant_length, length=4), low=0.2, high=0.28, dual=10.0), 0.098417)


def test_unclipped_surrogate():
    close((unclipped(F1_POLICY, f1(), step()).loss * token_mean(f1(), step())).sum(), 0.080524)


def test_clipped_tokens_have_no_gradient():
    # Plain PPO has zero gradient exactly at (0,1), (1,1) and (3,0) for clip 0.2/0.28.
    new = leaf(F1_NEW)
    result = clipped(Signals(new, F1_ENTROPY), f1(), step(), low=0.2, high=0.28)
    result.loss.sum().backward()
    stopped = torch.zeros(4, 4, dtype=torch.bool)
    stopped[[0, 1, 3], [1, 1, 0]] = True
    assert (result.metrics["clip_fraction"] == stopped).all()
    assert ((new.grad == 0) == (stopped | ~F1_MASK)).all()


def test_dual_clip_bounds_the_loss_of_bad_tokens_only():
    advantage, ratio = double([[-1, -1, 1]]), double([[5, 2, 5]])
    result = clipped_surrogate(advantage, ratio, 0.2, 0.2, dual=3.0)
    # Good token at ratio 5: stopped at 1.2. Bad token at ratio 5: loss 5 bounded to 3; at ratio 2 it keeps loss 2.
    torch.testing.assert_close(result.loss, double([[3, 2, -1.2]]))
    assert result.dual_clipped.tolist() == [[True, False, False]]
    assert result.clipped.tolist() == [[False, False, True]]


def test_wide_clip_is_the_plain_surrogate():
    advantage, ratio = double([[-1, 2, 0.5]]), double([[0.1, 1.9, 1]])
    result = clipped_surrogate(advantage, ratio, 1.0, 1.0, dual=math.inf)
    torch.testing.assert_close(result.loss, surrogate(advantage, ratio))
    assert not result.clipped.any()


def test_clip_may_be_a_schedule():
    from rlpipe.ops.schedules import Linear

    close(loss(low=Linear(0.2, 1.0, 10), high=Linear(0.28, 9.0, 10)), 0.121128)
    late = clipped(F1_POLICY, f1(), step(10), low=Linear(0.2, 1.0, 10), high=Linear(0.28, 9.0, 10)).loss
    torch.testing.assert_close(late, unclipped(F1_POLICY, f1(), step()).loss)
