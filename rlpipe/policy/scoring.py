"""Token paths of responses under a policy: log-probability, entropy and moments of every next-token distribution.

They are those of the distribution at temperature 1 over the whole vocabulary (or its K most likely tokens), whatever
the response was sampled with, so that paths of greedy and of sampled responses can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlpipe.policy.forward import Policy
from rlpipe.types import Rollout

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


@torch.inference_mode()
def token_paths(policy: Policy, rollouts: Sequence[Rollout], topk: int | None = None) -> list[TokenPaths]:
    """The paths of each rollout's response, in the order given. `policy` must be at temperature 1.

    Raises: ValueError for a policy at another temperature.
    """
    if policy.temperature != 1.0:
        raise ValueError(f"paths are of the distribution at temperature 1, the policy is at {policy.temperature}")
    signals = {
        "mean": lambda logits, _: moments(logits, topk)[0],
        "variance": lambda logits, _: moments(logits, topk)[1],
    }
    found: list[TokenPaths | None] = [None] * len(rollouts)
    for part in _batches([len(r.tokens) for r in rollouts]):
        tokens = pad_sequence([rollouts[i].tokens for i in part], batch_first=True).to(policy.device)
        mask = pad_sequence([rollouts[i].response_mask for i in part], batch_first=True).to(policy.device)
        said = policy(tokens, mask, signals)
        columns = torch.stack([said.logprob, said.extra["mean"], said.extra["variance"]], -1).float().cpu()
        mask = mask.cpu()
        for row, i in enumerate(part):
            logprob, mean, variance = columns[row][mask[row]].T.tolist()
            found[i] = TokenPaths(logprob, [-m for m in mean], mean, variance)
    return [f for f in found if f is not None]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of similar length together, each batch at most `MOST_TOKENS` with its padding (one row at least)."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    start = 0
    while start < len(order):
        rows = max(1, MOST_TOKENS // max(lengths[order[start]], 1))
        yield order[start : start + rows]
        start += rows
