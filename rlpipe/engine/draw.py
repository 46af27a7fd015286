"""Drawing tokens: counter-based uniform numbers and inverse-CDF sampling, so that a row's text depends on its seed alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlpipe.ops.splitmix import GOLDEN, mix, shift
from rlpipe.types import Sampling


def uniforms(seeds: Sequence[int], count: int) -> Float[Tensor, "B n"]:
    """`count` numbers in [0, 1) for each seed: splitmix64 of (seed, position), no state, no order of calls."""
    position = torch.arange(1, count + 1)
    bits = shift(mix(torch.tensor(seeds, dtype=torch.int64)[:, None] + position * GOLDEN), 40)
    return bits.float() * 2.0**-24


def restrict(logits: Float[Tensor, "B V"], sampling: Sampling, position: int = 0) -> Float[Tensor, "B V"]:
    """Logits at the sampling temperature, bent by its rule, with tokens outside top-k and top-p at minus infinity.

    `position` counts the tokens already written for the requests.
    """
    if sampling.temperature > 0:
        logits = logits / sampling.temperature
    if sampling.logit_rule is not None:
        at = torch.full((len(logits),), position, device=logits.device)
        logits = sampling.logit_rule(logits, at)
    if 0 < sampling.top_k < logits.shape[-1]:
        kth = logits.topk(sampling.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    if sampling.top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        outside = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= sampling.top_p)
        logits = logits.masked_fill(outside, -torch.inf)
    return logits


def draw(
    logits: Float[Tensor, "B V"], sampling: Sampling, uniform: Float[Tensor, "B"], position: int = 0
) -> tuple[Int[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Tokens, their log-probability and the entropy of the distribution they were drawn from, in nats.

    At temperature 0 the token is the most likely one, and the distribution is the one at temperature 1.
    """
    logprobs = restrict(logits.float(), sampling, position).log_softmax(-1)
    probabilities = logprobs.exp()
    entropy = -(probabilities * logprobs.clamp(min=-1e4)).sum(-1)
    if sampling.temperature == 0:
        tokens = logprobs.argmax(-1)
    else:
        cumulative = probabilities.cumsum(-1)
        target = uniform.to(cumulative)[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, target, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
    return tokens, logprobs.gather(-1, tokens[:, None]).squeeze(-1), entropy
