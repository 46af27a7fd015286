"""Random numbers that belong to a token: keyed by the step and the rollout's tokens, not by its place in a batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rlpipe.ops.splitmix import GOLDEN, mix, shift


def token_uniform(seed: int, tokens: Int[Tensor, "B T"], response_mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Uniform numbers in [0, 1) per token, float64; equal for equal (seed, rollout, position), whatever the batch.

    Rollouts are told apart by their tokens up to the last response token: padding and order do not matter, and two
    equal rollouts draw alike. Meaningless outside the mask.
    """
    position = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    written = response_mask.long().flip(-1).cumsum(-1).flip(-1) > 0
    fingerprint = torch.where(written, mix(mix(tokens.long() + 1) + position * GOLDEN), 0).sum(-1, keepdim=True)
    bits = mix(mix(fingerprint + (seed & (2**63 - 1))) + position * GOLDEN)
    return shift(bits, 11).double() * 2.0**-53
