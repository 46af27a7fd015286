"""Clip-Cov: no policy gradient through a few of the tokens whose covariance drives entropy down. arXiv:2505.22617.

Leaves advantage, clip, reduction and every other loss of the base method alone, and so stacks on any clip:
`[grpo, {clip_cov: {fraction: 0.005}}]`. Fraction 0 is the base method.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rlpipe.ops.covariance import smallest_draws, token_covariance
from rlpipe.ops.draws import token_uniform
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import Fraction, Real
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Step


def clip_cov(recipe: Recipe, *, fraction: Fraction = 0.0002, low: Real = 1.0, high: Real = 5.0) -> Recipe:
    """Multiplies the policy loss of `fraction` of the tokens by 0, drawn among those with low < covariance < high.

    fraction: of the mini-batch's response tokens, at least one where there is a candidate. low, high: of the covariance
    of advantage and log-probability, in advantage units x nats. The tokens left out stay in the reduction's
    denominator.
    Logs `clip_cov` (share of tokens left out; 0 where no covariance falls between the bounds).
    Source: arXiv:2505.22617, Clip-Cov; values from its scripts, which set clip_low = clip_high = 1 in the base.
    Differs: tokens are chosen by the policy at the start of the step and over the whole mini-batch, where the release
    takes the current policy and the micro-batch. Tokens the clip has stopped are no candidates there; at the start of
    the step there are none. The base's dual clip, if any, stays.
    """
    return recipe.add(
        annotations=partial(covariant, fraction=fraction, low=low, high=high),
        token_weights=left_in,
    )


def covariant(batch: Batch, step: Step, *, fraction: Scalar, low: Scalar, high: Scalar) -> dict[str, Tensor]:
    """`clip_cov`: the tokens to leave out, from the old policy."""
    mask = batch.response_mask
    chosen = choose(
        batch.advantage,
        batch.old.logprob,
        mask,
        torch.zeros_like(mask),
        at(fraction, step.index),
        (at(low, step.index), at(high, step.index)),
        token_uniform(step.rng.initial_seed(), batch.tokens, mask),
    )
    return {"clip_cov": chosen}


def choose(
    advantage: Float[Tensor, "B T"],
    logprob: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    stopped: Bool[Tensor, "B T"],
    fraction: float,
    bounds: tuple[float, float],
    draw: Float[Tensor, "B T"],
) -> Bool[Tensor, "B T"]:
    """`max(1, int(fraction * tokens))` tokens with covariance strictly between the bounds and not stopped by the clip.

    All of them, where there are fewer; none at fraction 0. Drawn uniformly, given uniform `draw`.
    """
    covariance = token_covariance(advantage, logprob, mask)
    candidates = mask & ~stopped & (bounds[0] < covariance) & (covariance < bounds[1])
    count = max(1, int(fraction * int(mask.sum()))) if fraction > 0 else 0
    return smallest_draws(candidates, count, draw)


def left_in(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """0 on the tokens chosen, 1 elsewhere."""
    return 1.0 - batch.annotations["clip_cov"].to(batch.advantage.dtype)
