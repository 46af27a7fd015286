"""Logits to one number per token: what the `signals` slot is filled with. `tokens` are those the logits predict."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def token_logprob(logits: Float[Tensor, "*tokens V"], tokens: Int[Tensor, "*tokens"]) -> Float[Tensor, "*tokens"]:
    """Log-probability of the tokens, in nats."""
    return logits.gather(-1, tokens[..., None]).squeeze(-1) - logits.logsumexp(-1)


def entropy(logits: Float[Tensor, "*tokens V"], tokens: Int[Tensor, "*tokens"]) -> Float[Tensor, "*tokens"]:
    """Entropy of the whole distribution, in nats: logsumexp(z) - sum_v p_v z_v; its gradient reaches every logit."""
    finite = torch.where(logits.isneginf(), 0.0, logits)
    return logits.logsumexp(-1) - (logits.softmax(-1) * finite).sum(-1)


def self_certainty(logits: Float[Tensor, "*tokens V"], tokens: Int[Tensor, "*tokens"]) -> Float[Tensor, "*tokens"]:
    """KL(U || p) in nats, U uniform over the vocabulary: logsumexp(z) - mean_v z_v - log V; larger is more certain.

    Source: Kang et al., arXiv:2502.18581, at the temperature of the logits.
    """
    return logits.logsumexp(-1) - logits.mean(-1) - math.log(logits.shape[-1])
