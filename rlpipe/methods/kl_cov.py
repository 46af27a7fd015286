"""KL-Cov: no clip; instead a penalty on the few tokens whose covariance drives entropy down. arXiv:2505.22617.

Leaves advantage and reduction of the base method alone, and puts the unclipped surrogate in place of its policy loss:
`[grpo, {kl_cov: {fraction: 0.02}}]`. With coefficient 0 it is the base method without its clip.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rlpipe.ops.covariance import largest, token_covariance
from rlpipe.ops.draws import token_uniform
from rlpipe.ops.masked import masked
from rlpipe.ops.policy_losses import unclipped
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import Fraction, NonNegative
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Signals, Step, TokenLoss

# Nats by which the logprob of an engine may miss that of a trainer with the same weights: an on-policy ratio must count
# as 1, or the sign of a rounding error gets a gradient of full size.
ROUNDING = 1e-4


def kl_cov(
    recipe: Recipe, *, fraction: Fraction = 0.002, coefficient: NonNegative = 1.0, only_positive: bool = False
) -> Recipe:
    """Penalises `|log pi - log pi_old|` on the tokens of largest covariance of advantage and log-probability.

    fraction: of the mini-batch's response tokens, at least one. coefficient: of the penalty, per nat. only_positive:
    leave out tokens whose covariance is not above 0 (a batch without advantages then has none).
    Logs `kl_cov` (share of tokens chosen) and `kl_cov_penalty` (nats per token).
    Source: arXiv:2505.22617, KL-Cov; fraction 0.002 and coefficient 1 from its scripts for 7B (0.0002 for 32B; stored
    there as a percentage).
    Differs: tokens are chosen by the policy at the start of the step and over the whole mini-batch, where the release
    takes the current policy and the micro-batch, so that results there depend on how the batch is cut. fraction 0
    chooses none. Ratios within 1e-4 nats of 1 carry no penalty. The base's clip is replaced by rule, as in the release,
    and the recipe's `changes` say so.
    """
    return recipe.override(policy_loss=unclipped).add(
        annotations=partial(most_covariant, fraction=fraction, only_positive=only_positive),
        auxiliary_losses=partial(penalty, coefficient=coefficient),
    )


def most_covariant(batch: Batch, step: Step, *, fraction: Scalar, only_positive: bool) -> dict[str, Tensor]:
    """`kl_cov`: the tokens to penalise, from the old policy."""
    draw = token_uniform(step.rng.initial_seed(), batch.tokens, batch.response_mask)
    chosen = choose(
        batch.advantage, batch.old.logprob, batch.response_mask, at(fraction, step.index), draw, only_positive
    )
    return {"kl_cov": chosen}


def choose(
    advantage: Float[Tensor, "B T"],
    logprob: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    fraction: float,
    draw: Float[Tensor, "B T"],
    only_positive: bool = False,
) -> Bool[Tensor, "B T"]:
    """The `max(1, int(fraction * tokens))` tokens of largest covariance; none at fraction 0. `draw` breaks ties."""
    covariance = token_covariance(advantage, logprob, mask)
    candidates = mask & (covariance > 0) if only_positive else mask
    count = max(1, int(fraction * int(mask.sum()))) if fraction > 0 else 0
    return largest(covariance, candidates, count, draw)


def penalty(policy: Signals, batch: Batch, step: Step, *, coefficient: Scalar) -> TokenLoss:
    """`coefficient * |log pi - log pi_old|` on the chosen tokens; 0, and its gradient, where the two are equal."""
    distance = masked(policy.logprob - batch.old.logprob, batch.annotations["kl_cov"]).abs()
    loss = at(coefficient, step.index) * torch.where(distance > ROUNDING, distance, torch.zeros_like(distance))
    return TokenLoss(loss, {"kl_cov_penalty": loss})
