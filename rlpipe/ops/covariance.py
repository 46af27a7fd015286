"""Which tokens drive entropy: the covariance of log-probability and advantage, and choosing tokens by it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rlpipe.ops.masked import masked, masked_mean


def token_covariance(
    advantage: Float[Tensor, "B T"], logprob: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """`(A - mean A) (log pi - mean log pi)`, means over the selected tokens; 0 elsewhere.

    Advantage units x nats, in float64. Source: The Entropy Mechanism, arXiv:2505.22617, the token-wise covariance.
    """
    centred = [masked(x.double() - masked_mean(x, mask), mask) for x in (advantage, logprob)]
    return centred[0] * centred[1]


def largest(
    value: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], count: int, draw: Float[Tensor, "B T"]
) -> Bool[Tensor, "B T"]:
    """The `count` selected tokens of largest value; ties go to the smaller `draw`, so that order does not matter."""
    shuffled = _among(mask, draw)
    ranked = shuffled[torch.argsort(value.flatten()[shuffled], descending=True, stable=True)]
    return _at(ranked[:count], mask)


def smallest_draws(candidates: Bool[Tensor, "B T"], count: int, draw: Float[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
    """`count` of the candidates (all, where there are fewer), uniformly at random given uniform `draw`."""
    return _at(_among(candidates, draw)[:count], candidates)


def _among(mask: Bool[Tensor, "B T"], draw: Float[Tensor, "B T"]) -> Tensor:
    """Flat indices of the selected tokens, by increasing draw."""
    index = mask.flatten().nonzero().squeeze(-1)
    return index[torch.argsort(draw.flatten()[index], stable=True)]


def _at(index: Tensor, mask: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
    chosen = torch.zeros(mask.numel(), dtype=torch.bool, device=mask.device)
    chosen[index] = True
    return chosen.view_as(mask)
