"""Teacher-forced scoring, without gradient: signals of given tokens, and token paths with the moments of every
next-token distribution.

Paths are those of the distribution at temperature 1 over the whole vocabulary (or its K most likely tokens), whatever
the response was sampled with, so that paths of greedy and of sampled responses can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlpipe.engine.processes import dealt, sum_over_processes
from rlpipe.ops.lengths import parts_of_similar_length, row_lengths
from rlpipe.policy.forward import Policy, SignalFunction
from rlpipe.types import Rollout, Signals

MOST_TOKENS = 16_384  # in one forward pass, with padding


@dataclass(frozen=True)
class TokenPaths:
    """One response: `[n]` each, nats; `mean` is sum p ln p, `variance` sum p (ln p)^2 - mean^2."""

    logprob: list[float]
    entropy: list[float]
    mean: list[float]
    variance: list[float]


def _largest(logits: Float[Tensor, "n V"], topk: int | None) -> Float[Tensor, "n K"]:
    """Log-probabilities of the `topk` most likely tokens, not renormalised; of all tokens where it is None."""
    logprobs = logits.log_softmax(-1)
    if topk is not None and topk < logprobs.shape[-1]:
        logprobs = logprobs.topk(topk, dim=-1).values
    return logprobs.clamp(min=-1e4)  # a token of probability 0 must count 0, not NaN


def moments(logits: Float[Tensor, "n V"], topk: int | None = None) -> tuple[Tensor, Tensor]:
    """Mean and variance `[n]` of ln p under the (cut) distribution, nats and nats^2. The entropy is minus the mean.

    Source: the released code of Self-Critique, which uses top-K probabilities as they come. Differs: K may be
    everything.
    """
    logprobs = _largest(logits, topk)
    probabilities = logprobs.exp()
    mean = (probabilities * logprobs).sum(-1)
    return mean, (probabilities * logprobs.square()).sum(-1) - mean.square()


@torch.no_grad()
def score_rows(
    policy: Policy,
    tokens: Int[Tensor, "B T"],
    response_mask: Bool[Tensor, "B T"],
    signals: Mapping[str, SignalFunction] | None = None,
    most_tokens: int = MOST_TOKENS,
) -> Signals:
    """Teacher-forced signals `[B T]` of rows padded on the right, in parts of at most `most_tokens` tokens; no gradient."""
    signals = signals or {}
    length = row_lengths(response_mask)
    names = ("logprob", "entropy", *signals)
    whole = {name: torch.zeros(tokens.shape, dtype=torch.float32, device=tokens.device) for name in names}
    for part, counts in dealt(list(parts_of_similar_length(length, most_tokens))):
        width = max(length[part[0]], 1)
        found = policy(tokens[part, :width], response_mask[part, :width], signals)
        if counts:
            for name, value in zip(names, (found.logprob, found.entropy, *found.extra.values()), strict=True):
                whole[name][part, :width] = value
    for value in whole.values():
        sum_over_processes(value)
    return Signals(whole.pop("logprob"), whole.pop("entropy"), whole)


def score_rollouts(
    policy: Policy, rollouts: Sequence[Rollout], signals: Mapping[str, SignalFunction] | None = None
) -> tuple[Signals, Bool[Tensor, "B T"]]:
    """`score_rows` of rollouts, and the mask of their response tokens."""
    tokens = pad_sequence([r.tokens for r in rollouts], batch_first=True).to(policy.device)
    mask = pad_sequence([r.response_mask for r in rollouts], batch_first=True).to(policy.device)
    return score_rows(policy, tokens, mask, signals), mask


def token_paths(policy: Policy, rollouts: Sequence[Rollout], topk: int | None = None) -> list[TokenPaths]:
    """The paths of each rollout's response, in the order given. `policy` must be at temperature 1.

    Raises: ValueError for a policy at another temperature.
    """
    if policy.temperature != 1.0:
        raise ValueError(f"paths are of the distribution at temperature 1, the policy is at {policy.temperature}")
    if not rollouts:
        return []
    signals = {
        "mean": lambda readout: moments(readout.logits, topk)[0],
        "variance": lambda readout: moments(readout.logits, topk)[1],
    }
    said, mask = score_rollouts(policy, rollouts, signals)
    columns = torch.stack([said.logprob, said.extra["mean"], said.extra["variance"]], -1).float().cpu()
    found = []
    for row, selected in zip(columns, mask.cpu(), strict=True):
        logprob, mean, variance = row[selected].T.tolist()
        found.append(TokenPaths(logprob, [-m for m in mean], mean, variance))
    return found
