"""Surrogates of the policy gradient, per token and never reduced."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rlpipe.ops.masked import masked
from rlpipe.ops.ratios import token_ratio
from rlpipe.ops.schedules import Scalar, at
from rlpipe.types import Batch, Signals, Step, TokenLoss


class Clipped(NamedTuple):
    """A clipped loss and where its two limits were in force (and the token's gradient therefore 0)."""

    loss: Float[Tensor, "B T"]
    clipped: Bool[Tensor, "B T"]
    dual_clipped: Bool[Tensor, "B T"]


def surrogate(advantage: Float[Tensor, "B T"], ratio: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """`-A r`, in advantage units."""
    return -advantage * ratio


def clipped_surrogate(
    advantage: Float[Tensor, "B T"], ratio: Float[Tensor, "B T"], low: float, high: float, dual: float = math.inf
) -> Clipped:
    """`u = max(-A r, -A clip(r, 1 - low, 1 + high))`, and where A < 0 at most `-A dual`; in advantage units.

    `dual` (at least 1; infinite: off) bounds the loss of a token that became much more likely though it was bad.
    Source: PPO, arXiv:1707.06347, eq. 7; dual clip, arXiv:1912.09729.
    """
    plain = surrogate(advantage, ratio)
    bounded = surrogate(advantage, ratio.clamp(1 - low, 1 + high))
    loss = torch.maximum(plain, bounded)
    clipped = bounded > plain
    limit = -advantage * dual if math.isfinite(dual) else torch.full_like(advantage, math.inf)
    dual_clipped = (advantage < 0) & (loss > limit)
    return Clipped(torch.where(dual_clipped, limit, loss), clipped, dual_clipped)


def clipped(
    policy: Signals, batch: Batch, step: Step, *, low: Scalar, high: Scalar, dual: Scalar = math.inf
) -> TokenLoss:
    """`clipped_surrogate` of the current against the old policy, and the share of tokens each limit stops.

    `clip_fraction` counts tokens whose gradient the clip made 0, `dual_clip_fraction` those stopped by the dual clip.
    """
    mask = batch.response_mask
    ratio = token_ratio(policy.logprob, batch.old.logprob, mask)
    bounds = at(low, step.index), at(high, step.index), at(dual, step.index)
    loss, stopped, dual_stopped = clipped_surrogate(masked(batch.advantage, mask), ratio, *bounds)
    metrics = {"clip_fraction": stopped}
    return TokenLoss(loss, metrics if math.isinf(bounds[2]) else {**metrics, "dual_clip_fraction": dual_stopped})


def unclipped(policy: Signals, batch: Batch, step: Step) -> TokenLoss:
    """`surrogate` of the current against the old policy: the gradient of REINFORCE where the two are equal."""
    mask = batch.response_mask
    return TokenLoss(surrogate(masked(batch.advantage, mask), token_ratio(policy.logprob, batch.old.logprob, mask)))
