from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.recipe import load
from tests.toy import F1_MASK, F1_OLD, F1_POLICY, F1_SAMPLING, double, f1, step


def test_weights_of_f1():
    expected = [[1.020201, 0.904837, 1], [1.020201, 2, 1, 1], [1, 1.010050], [0.904837, 1.051271, 1.221403, 1]]
    weight = load(["dapo", "tis"]).token_weights[0](f1(), step())
    torch.testing.assert_close(weight[F1_MASK], double([w for row in expected for w in row]), atol=1e-6, rtol=0)


def test_loss_of_f1():
    recipe = load([{"dapo": {"clip_high": 0.28}}, "tis"])
    loss = recipe.policy_loss(F1_POLICY, f1(), step()).loss * recipe.token_weights[0](f1(), step())
    torch.testing.assert_close(float((loss * recipe.reduction(f1(), step())).sum()), 0.206026, atol=1e-6, rtol=0)
    assert recipe.annotations[0](f1(), step())["tis_capped"].nonzero().tolist() == [[1, 1]]


def test_a_faithful_engine_changes_nothing():
    recipe = load(["grpo", {"tis": {"cap": 1.0}}])
    batch = f1(sampling_logprob=F1_OLD)
    assert (recipe.token_weights[0](batch, step()) == 1).all()
    assert not recipe.annotations[0](batch, step())["tis_capped"].any()


def test_sequence_level_multiplies_the_tokens():
    weight = load(["grpo", {"tis": {"level": "sequence", "cap": 5.0}}]).token_weights[0](f1(), step())
    product = ((F1_OLD - F1_SAMPLING) * F1_MASK).sum(-1).exp().clamp(max=5)
    torch.testing.assert_close(weight, product[:, None].expand(4, 4))


def test_padding_never_matters():
    poisoned = replace(f1(), sampling_logprob=torch.where(F1_MASK, F1_SAMPLING, torch.nan))
    for level in ("token", "sequence"):
        recipe = load(["grpo", {"tis": {"level": level}}])
        torch.testing.assert_close(recipe.token_weights[0](poisoned, step()), recipe.token_weights[0](f1(), step()))
