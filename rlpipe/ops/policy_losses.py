"""Surrogates of the policy gradient, per token and never reduced."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


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
    return Clipped(torch.where(dual_clipped, limit, loss), clipped & ~dual_clipped, dual_clipped)
