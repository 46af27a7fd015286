"""Importance ratios between two policies, token by token."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from rlpipe.ops.masked import masked

# exp(20) is 5e8: beyond it a ratio says nothing but overflows float16 and ruins sums in float32.
LIMIT = 20.0


def log_ratio(
    logprob: Float[Tensor, "B T"], other: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """`logprob - other` in nats, within [-20, 20]; 0 outside the mask."""
    return masked(logprob - other, mask).clamp(-LIMIT, LIMIT)


def token_ratio(
    logprob: Float[Tensor, "B T"], old: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """`pi(y_t) / pi_old(y_t)`, dimensionless, > 0; 1 outside the mask."""
    return log_ratio(logprob, old, mask).exp()
