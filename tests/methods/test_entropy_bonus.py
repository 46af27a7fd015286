from __future__ import annotations

import torch

from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.toy import F1_ENTROPY, F1_MASK, F1_POLICY, F2_LOGITS, blank, entropy_of, f1, leaf, logprob_of, readout, step


def test_lowers_the_loss_by_entropy():
    (auxiliary,) = load(["grpo", {"entropy_bonus": {"coefficient": 0.1}}]).auxiliary_losses
    result = auxiliary(F1_POLICY, f1(), step())
    torch.testing.assert_close(result.loss, -0.1 * F1_ENTROPY * F1_MASK)
    torch.testing.assert_close(result.metrics["entropy_bonus"], -result.loss)


def test_the_gradient_is_that_of_the_whole_distribution():
    """And not that of the sampled token's -log pi, whose expectation on-policy is 0."""
    logits = leaf(F2_LOGITS)
    pi = F2_LOGITS.softmax(-1)
    mask = torch.ones(1, 1, dtype=torch.bool)
    value = entropy_of(readout(logits[None], torch.tensor([0])))[None]
    (auxiliary,) = load(["grpo", {"entropy_bonus": {"coefficient": 1.0}}]).auxiliary_losses
    auxiliary(Signals(value, value), blank(mask), step()).loss.sum().backward()
    torch.testing.assert_close(logits.grad, pi * (pi.log() + float(value.detach())))

    sampled = leaf(F2_LOGITS)
    (-pi * logprob_of(readout(sampled.expand(5, 5), torch.arange(5)))).sum().backward()
    torch.testing.assert_close(sampled.grad, torch.zeros_like(sampled), atol=1e-12, rtol=0)


def test_coefficient_may_be_a_schedule():
    stack = ["grpo", {"entropy_bonus": {"coefficient": {"start": 0.2, "end": 0.0, "steps": 10}}}]
    (auxiliary,) = load(stack).auxiliary_losses
    torch.testing.assert_close(auxiliary(F1_POLICY, f1(), step(5)).loss, -0.1 * F1_ENTROPY * F1_MASK)
    assert (auxiliary(F1_POLICY, f1(), step(10)).loss == 0).all()
