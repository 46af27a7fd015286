"""From groups of rollouts to a Batch: what a step works on, and what a replay buffer makes of what it kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlpipe.types import Batch, Group, Rollout, Signals


def collate(groups: Sequence[Group], device: torch.device | str = "cpu", agent: str = "policy") -> Batch:
    """The agent's rollouts of all groups, padded on the right. `old` is the sampling engine's until the step replaces it."""
    index = [(g, i) for g, group in enumerate(groups) for i, r in enumerate(group.rollouts) if r.agent == agent]
    rollouts: list[Rollout] = [groups[g].rollouts[i] for g, i in index]

    def pad(values: Sequence[Tensor]) -> Tensor:
        return pad_sequence(list(values), batch_first=True).to(device)

    def each(values: Sequence[Tensor | None]) -> Tensor:
        return torch.tensor([0.0 if v is None else float(v[i]) for (_, i), v in zip(index, values, strict=True)])

    mask = pad([r.response_mask for r in rollouts])
    logprob = pad([r.logprob for r in rollouts])
    terms = {name for g, _ in index for name in groups[g].reward_terms}
    return Batch(
        tokens=pad([r.tokens for r in rollouts]),
        response_mask=mask,
        turn=turns(mask),
        sampling_logprob=logprob,
        groups=tuple(groups),
        group=torch.tensor([g for g, _ in index], device=device),
        sample=torch.tensor([i for _, i in index], device=device),
        row=torch.arange(len(index), device=device),
        reward=each([groups[g].reward for g, _ in index]).to(device),
        terms={n: each([groups[g].reward_terms.get(n) for g, _ in index]).to(device) for n in sorted(terms)},
        correct=torch.tensor([bool(v) and v[i].correct for g, i in index for v in [groups[g].verdicts]], device=device),
        old=Signals(logprob, pad([r.entropy for r in rollouts])),
        current=None,
        reference=None,
        advantage=torch.zeros_like(logprob),
        annotations={},
        token_weight=torch.ones_like(logprob),
        reduction_weight=torch.zeros_like(logprob),
    )


def rollouts_of(batch: Batch) -> list[Rollout]:
    """The rollout behind every row."""
    owners = zip(batch.group.tolist(), batch.sample.tolist(), strict=True)
    return [batch.groups[g].rollouts[i] for g, i in owners]


def turns(mask: Tensor) -> Tensor:
    """Number of the policy's turn each token is of, from 0; -1 where the policy did not write. `[B T]`"""
    starts = mask & ~torch.nn.functional.pad(mask, (1, 0))[:, :-1]
    return torch.where(mask, starts.long().cumsum(-1) - 1, -1)
