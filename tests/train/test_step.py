"""The order of a step: annotations see those before them, and a loss may have a reduction of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.recipe import load
from rlpipe.train.step import assign_credit, carrying, total_loss, weigh
from rlpipe.types import TokenLoss
from tests.toy import F1_ENTROPY, F1_MASK, F1_POLICY, f1, step

BASE = load(["grpo"])


def twos(policy, batch, at):
    return TokenLoss(torch.full_like(batch.advantage, 2.0))


def entropy_with_its_own_weight(policy, batch, at):
    return TokenLoss(policy.entropy, weight=batch.response_mask.double())


def test_annotations_see_those_before_them_and_the_weights_see_all():
    def first(batch, at):
        assert batch.annotations == {}
        return {"long": batch.response_mask & (batch.response_mask.sum(-1, keepdim=True) > 3)}

    def second(batch, at):
        return {"short": batch.response_mask & ~batch.annotations["long"]}

    def halved(batch, at):
        return torch.where(batch.annotations["long"], 0.5, 1.0).double()

    def tripled(batch, at):
        return torch.where(batch.annotations["short"], 3.0, 1.0).double()

    def as_weighed(batch, at):
        return 10 * batch.token_weight

    recipe = replace(BASE, annotations=(first, second), token_weights=(halved, tripled), reduction=as_weighed)
    batch = weigh(f1(), recipe, step())
    assert list(batch.annotations) == ["long", "short"]
    assert batch.token_weight[:, 0].tolist() == [3, 0.5, 3, 0.5]
    assert torch.equal(batch.reduction_weight, 10 * batch.token_weight), "after the token weights"
    with pytest.raises(ValueError, match=r"two methods annotate tokens as \['long'\]; leave one of the two out"):
        weigh(f1(), replace(recipe, annotations=(first, lambda batch, at: {"long": F1_MASK})), step())


def test_token_weights_are_of_the_policy_loss_alone():
    batch = replace(f1(), token_weight=torch.where(F1_MASK, 3.0, 1.0).double())
    for auxiliary, expected in (((), 6.0), ((twos,), 8.0), ((twos, twos), 10.0)):
        recipe = replace(BASE, policy_loss=twos, auxiliary_losses=auxiliary)
        total, parts = total_loss(F1_POLICY, batch, recipe, step())
        assert float(total) == pytest.approx(expected)
        assert len(parts) == 1 + len(auxiliary)


def test_a_loss_with_a_weight_of_its_own_is_not_reduced_as_the_others_are():
    own = float((F1_ENTROPY * F1_MASK).sum())
    recipe = replace(BASE, policy_loss=twos, auxiliary_losses=(entropy_with_its_own_weight, twos))
    assert float(total_loss(F1_POLICY, f1(), recipe, step())[0]) == pytest.approx(4.0 + own)
    only = replace(BASE, policy_loss=entropy_with_its_own_weight, auxiliary_losses=())
    weighed = replace(f1(), token_weight=torch.full_like(F1_ENTROPY, 3.0))
    assert float(total_loss(F1_POLICY, weighed, only, step())[0]) == pytest.approx(3 * own)


def test_advantages_are_shaped_in_order_and_end_with_the_response():
    def one(batch, at):
        return torch.ones_like(batch.advantage)

    recipe = replace(
        BASE,
        advantage=one,
        advantage_shaping=(lambda batch, at: batch.advantage + 1, lambda batch, at: 3 * batch.advantage),
    )
    assert torch.equal(assign_credit(f1(), recipe, step()).advantage, 6.0 * F1_MASK)


def test_without_auxiliary_losses_only_rollouts_with_an_advantage_are_forwarded():
    batch = f1()
    batch = replace(batch, advantage=batch.advantage * torch.tensor([[1], [0], [1], [0]]))
    assert carrying(batch, BASE).row.tolist() == [0, 2]
    assert carrying(batch, replace(BASE, auxiliary_losses=(twos,))).row.tolist() == [0, 1, 2, 3]
