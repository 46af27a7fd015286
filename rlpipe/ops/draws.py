"""Random numbers that belong to a token: keyed by the step and the rollout's tokens, not by its place in a batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_GOLDEN, _MIX_1, _MIX_2 = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


def token_uniform(seed: int, tokens: Int[Tensor, "B T"], response_mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Uniform numbers in [0, 1) per token, float64; equal for equal (seed, rollout, position), whatever the batch.

    Rollouts are told apart by their tokens up to the last response token: padding and order do not matter, and two
    equal rollouts draw alike. Meaningless outside the mask.
    Source: splitmix64; Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
    """
    position = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    written = response_mask.long().flip(-1).cumsum(-1).flip(-1) > 0
    fingerprint = torch.where(written, _mix(_mix(tokens.long() + 1) + position * _GOLDEN), 0).sum(-1, keepdim=True)
    bits = _mix(_mix(fingerprint + (seed & (2**63 - 1))) + position * _GOLDEN)
    return _shift(bits, 11).double() * 2.0**-53


def _mix(z: Tensor) -> Tensor:
    """The finaliser of splitmix64 on int64, whose overflow wraps."""
    z = (z ^ _shift(z, 30)) * _MIX_1
    z = (z ^ _shift(z, 27)) * _MIX_2
    return z ^ _shift(z, 31)


def _shift(z: Tensor, by: int) -> Tensor:
    """Logical shift to the right; that of signed integers would carry the sign down."""
    return (z >> by) & ((1 << (64 - by)) - 1)
