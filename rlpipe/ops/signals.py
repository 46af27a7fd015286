"""One number per token from its logits: what the `signals` slot is filled with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Readout:
    """What a signal is computed from: one row per response token of a chunk. Logits are at the sampling temperature.

    `tokens` are the ids that were sampled, `columns` their places in the rows of the batch.
    """

    logits: Float[Tensor, "n V"]
    hidden: Float[Tensor, "n H"]
    tokens: Int[Tensor, "n"]
    columns: Int[Tensor, "n"]


def self_certainty(readout: Readout) -> Float[Tensor, "n"]:
    """KL(U || p) in nats, U uniform over the vocabulary: logsumexp(z) - mean_v z_v - log V; larger is more certain.

    Source: Kang et al., arXiv:2502.18581, at the temperature of the logits.
    """
    logits = readout.logits
    return logits.logsumexp(-1) - logits.mean(-1) - math.log(logits.shape[-1])
