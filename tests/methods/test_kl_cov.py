"""Golden numbers of specs, entropy_mechanism, on F1."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.methods.kl_cov import choose
from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.toy import F1_ADVANTAGE, F1_ENTROPY, F1_MASK, F1_NEW, F1_OLD, F1_POLICY, f1, leaf, step

DRAW = torch.zeros(4, 4, dtype=torch.float64)


def chosen(fraction):
    return choose(F1_ADVANTAGE, F1_NEW, F1_MASK, fraction, DRAW)


def token_loss(new, fraction, coefficient=1.0):
    """The published loss: unclipped surrogate plus penalty, chosen by the current policy, token mean."""
    recipe = load(["grpo", {"kl_cov": {"fraction": fraction, "coefficient": coefficient}}])
    batch = f1(annotations={"kl_cov": chosen(fraction)})
    policy = Signals(new, F1_ENTROPY)
    loss = recipe.policy_loss(policy, batch, step()).loss + recipe.auxiliary_losses[0](policy, batch, step()).loss
    return (loss * batch.reduction_weight).sum()


def test_the_token_of_largest_covariance():
    assert chosen(0.002).nonzero().tolist() == [[1, 1]]
    assert sorted(chosen(0.2).nonzero().tolist()) == [[0, 0], [1, 1]]


def test_one_token():
    new = leaf(F1_NEW)
    loss = token_loss(new, 0.002)
    loss.backward()
    torch.testing.assert_close(float(loss.detach()), 0.126678, atol=1e-6, rtol=0)
    torch.testing.assert_close(float(new.grad[1, 1]), -0.034707, atol=1e-6, rtol=0)


def test_two_tokens():
    new = leaf(F1_NEW)
    loss = token_loss(new, 0.2)
    loss.backward()
    torch.testing.assert_close(float(loss.detach()), 0.130524, atol=1e-6, rtol=0)
    torch.testing.assert_close(float(new.grad[0, 0]), -0.003944, atol=1e-6, rtol=0)


@pytest.mark.parametrize("off", [{"coefficient": 0.0}, {"fraction": 0.0}])
def test_off_is_the_unclipped_surrogate(off):
    new = leaf(F1_NEW)
    loss = token_loss(new, **{"fraction": 0.2, **off})
    loss.backward()
    torch.testing.assert_close(float(loss.detach()), 0.080524, atol=1e-6, rtol=0)
    torch.testing.assert_close(float(new.grad[1, 1]), 0.042216, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rounding", [0.0, 3e-6, -3e-6])
def test_on_policy_the_penalty_has_no_gradient(rounding):
    new = leaf(F1_OLD + rounding)
    (auxiliary,) = load(["grpo", "kl_cov"]).auxiliary_losses
    auxiliary(Signals(new, F1_ENTROPY), f1(annotations={"kl_cov": F1_MASK}), step()).loss.sum().backward()
    assert (new.grad == 0).all()


def test_the_recipe_chooses_by_the_old_policy():
    recipe = load(["grpo", {"kl_cov": {"fraction": 0.2}}])
    batch = f1()
    note = recipe.annotations[0](batch, step())["kl_cov"]
    assert (note == choose(F1_ADVANTAGE, F1_OLD, F1_MASK, 0.2, DRAW)).all()
    moved = replace(batch, old=F1_POLICY)
    assert (recipe.annotations[0](moved, step())["kl_cov"] == chosen(0.2)).all()


def test_without_advantages_one_token_is_chosen_unless_guarded():
    batch = f1(advantage=torch.zeros_like(F1_ADVANTAGE))
    for guard, count in ((False, 1), (True, 0)):
        recipe = load(["grpo", {"kl_cov": {"only_positive": guard}}])
        assert int(recipe.annotations[0](batch, step())["kl_cov"].sum()) == count


def test_replaces_the_clip_and_says_so():
    recipe = load(["grpo", "kl_cov"])
    assert recipe.filled_by["policy_loss"] == "kl_cov"
    assert [*map(str, recipe.changes)] == ["kl_cov replaces grpo's policy_loss"]
    assert recipe.policy_loss(F1_POLICY, f1(), step()).metrics == {}
