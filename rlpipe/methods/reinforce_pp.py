"""REINFORCE++: returns of tokens, whitened over all tokens of the step instead of within groups. arXiv:2501.03262.

Leaves PPO's clip, sampling and rewards alone; needs no groups. With `baseline: group` the group's mean is subtracted
first (the variant REINFORCE++-baseline), and a group without variance carries only what whitening gives it.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rlpipe.ops.advantages import group_centred, on_last_token, on_tokens, returns
from rlpipe.ops.divergences import divergence
from rlpipe.ops.masked import masked, whiten
from rlpipe.ops.policy_losses import clipped
from rlpipe.ops.reductions import token_mean
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import Fraction, NonNegative
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Step


def reinforce_pp(
    recipe: Recipe,
    *,
    baseline: Literal["none", "group"] = "none",
    gamma: Fraction = 1.0,
    kl: NonNegative = 0.0,
    clip_low: Fraction = 0.2,
    clip_high: NonNegative = 0.2,
) -> Recipe:
    """Whitened token returns, PPO's clip, mean over tokens.

    baseline: `none`, or `group` for REINFORCE++-baseline (score minus the group's mean on every token). gamma: discount
    per response token, with `none`. kl: coefficient of the penalty k1; with `none` it is in each token's reward and so in
    the return to go of those before it, with `group` it is summed into the rollout's score before that is centred; 0
    needs no reference policy. clip_low, clip_high: distances from 1 at which the ratio stops counting.
    Logs `clip_fraction`, and `kl_reference` where kl is not 0.
    Source: arXiv:2501.03262, its advantage; whitening (x - mean) / sqrt(var + 1e-8) and, with `group`, the place of the
    penalty as in verl's `reinforce_plus_plus_baseline`.
    Differs: kl is off unless asked for, as rewards are verified; the paper's token rewards carry it.
    """
    if kl != 0.0:
        recipe = recipe.need("reference")
    return recipe.choose(
        advantage=partial(whitened_returns, baseline=baseline, gamma=gamma, kl=kl),
        policy_loss=partial(clipped, low=clip_low, high=clip_high),
        reduction=token_mean,
    )


def whitened_returns(
    batch: Batch, step: Step, *, baseline: Literal["none", "group"], gamma: Scalar, kl: Scalar
) -> Float[Tensor, "B T"]:
    """Rewards to go of each token, or the rollout's score above its group's mean, whitened over the tokens of the step."""
    mask = batch.response_mask
    penalty = torch.zeros_like(batch.advantage)
    if batch.reference is not None:
        penalty = at(kl, step.index) * masked(divergence(batch.old.logprob, batch.reference.logprob, "k1"), mask)
    if baseline == "group":
        return whiten(on_tokens(group_centred(batch.reward - penalty.sum(-1), batch.group), mask), mask)
    return whiten(returns(on_last_token(batch.reward, mask) - penalty, mask, at(gamma, step.index)), mask)
