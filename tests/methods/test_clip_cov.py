"""Golden numbers of specs, entropy_mechanism, on F1."""

from __future__ import annotations

import torch

from rlpipe.methods.clip_cov import choose
from rlpipe.ops.covariance import token_covariance
from rlpipe.ops.policy_losses import clipped
from rlpipe.recipe import load
from tests.toy import F1_ADVANTAGE, F1_MASK, F1_NEW, F1_OLD, F1_POLICY, double, f1, step

DRAW = double([[0.1, 0.2, 0.3, 0], [0.4, 0.5, 0.6, 0.7], [0.8, 0.9, 0, 0], [0.15, 0.25, 0.35, 0.45]])


def published(clip, fraction, bounds):
    """Tokens chosen by the current policy among those the clip has not stopped, and the resulting token mean."""
    main = clipped(F1_POLICY, f1(), step(), low=clip, high=clip)
    chosen = choose(F1_ADVANTAGE, F1_NEW, F1_MASK, main.metrics["clip_fraction"], fraction, bounds, DRAW)
    return chosen, float((main.loss * ~chosen * f1().reduction_weight).sum())


def test_one_candidate():
    chosen, loss = published(1.0, 0.0002, (1.0, 5.0))
    assert chosen.nonzero().tolist() == [[1, 1]]
    torch.testing.assert_close(loss, 0.038308, atol=1e-6, rtol=0)
    torch.testing.assert_close(int(chosen.sum()) / 13, 0.076923, atol=1e-6, rtol=0)


def test_two_tokens():
    chosen, loss = published(1.0, 0.2, (0.5, 0.55))
    assert sorted(chosen.nonzero().tolist()) == [[2, 1], [3, 2]]
    torch.testing.assert_close(loss, 0.048521, atol=1e-6, rtol=0)


def test_a_clipped_token_is_no_candidate():
    chosen, loss = published(0.2, 0.0002, (1.0, 5.0))
    assert not chosen.any()
    torch.testing.assert_close(loss, 0.128105, atol=1e-6, rtol=0)


def test_draws_only_between_the_bounds_and_as_many_as_asked():
    nothing = torch.zeros_like(F1_MASK)
    wide = choose(F1_ADVANTAGE, F1_NEW, F1_MASK, nothing, 0.3, (0.3, 1.0), DRAW)
    # Between 0.3 and 1: (0,0) .905, (0,2) .559, (2,1) .526, (3,0) .369, (3,2) .542; int(0.3 * 13) = 3 by smallest draw.
    assert sorted(wide.nonzero().tolist()) == [[0, 0], [0, 2], [3, 0]]
    # Bounds are strict.
    edge = float(token_covariance(F1_ADVANTAGE, F1_NEW, F1_MASK)[1, 1])
    assert not choose(F1_ADVANTAGE, F1_NEW, F1_MASK, nothing, 1.0, (edge, 9.0), DRAW).any()


def test_every_candidate_is_as_likely():
    """Over 400 steps the five candidates are each drawn three times in five (99.99 % interval of a binomial)."""
    recipe = load(["grpo", {"clip_cov": {"fraction": 0.3, "low": 0.3, "high": 1.0}}])
    batch = f1(old=F1_POLICY)
    counts = sum(recipe.annotations[0](batch, step(i))["clip_cov"].long() for i in range(400))
    drawn = counts[counts > 0]
    assert len(drawn) == 5
    assert ((drawn - 240).abs() < 39).all()


def test_fraction_zero_is_grpo():
    recipe = load(["grpo", {"clip_cov": {"fraction": 0.0, "low": -9.0, "high": 9.0}}])
    note = recipe.annotations[0](f1(), step())["clip_cov"]
    assert not note.any()
    assert (recipe.token_weights[0](f1(annotations={"clip_cov": note}), step()) == 1).all()


def test_the_recipe_weighs_by_the_old_policy():
    recipe = load(["grpo", {"clip_cov": {"fraction": 1.0, "low": 0.5}}])
    note = recipe.annotations[0](f1(), step())["clip_cov"]
    expected = choose(F1_ADVANTAGE, F1_OLD, F1_MASK, torch.zeros_like(F1_MASK), 1.0, (0.5, 5.0), DRAW)
    assert expected.any()
    assert (note == expected).all()
    weight = recipe.token_weights[0](f1(annotations={"clip_cov": note}), step())
    torch.testing.assert_close(weight, (~expected).double())
