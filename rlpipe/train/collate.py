"""Groups to a Batch, and a Batch to mini-batches and micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlpipe.types import Batch, Group, Rollout, Signals


def collate(groups: Sequence[Group], device: torch.device | str = "cpu") -> Batch:
    """The rollouts of all groups, padded on the right. `old` is the sampling engine's until the step replaces it."""
    rollouts: list[Rollout] = [r for g in groups for r in g.rollouts]

    def pad(values: Sequence[Tensor]) -> Tensor:
        return pad_sequence(list(values), batch_first=True).to(device)

    mask = pad([r.response_mask for r in rollouts])
    logprob = pad([r.logprob for r in rollouts])
    rewards = [g.reward if g.reward is not None else torch.zeros(len(g.rollouts)) for g in groups]
    owner = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor([len(g.rollouts) for g in groups]))
    return Batch(
        tokens=pad([r.tokens for r in rollouts]),
        response_mask=mask,
        sampling_logprob=logprob,
        group=owner.to(device),
        reward=torch.cat(list(rewards)).float().to(device),
        correct=torch.tensor([v.correct for g in groups for v in g.verdicts], device=device),
        old=Signals(logprob, pad([r.entropy for r in rollouts])),
        reference=None,
        advantage=torch.zeros_like(logprob),
        annotations={},
        token_weight=torch.ones_like(logprob),
        reduction_weight=torch.zeros_like(logprob),
    )


def mini_batches(batch: Batch, count: int, rng: torch.Generator) -> Iterator[Batch]:
    """`count` parts of whole groups, in an order drawn from `rng`; fewer if there are fewer groups."""
    groups = batch.group.unique()
    order = groups[torch.randperm(len(groups), generator=rng).to(groups.device)]
    for chosen in order.tensor_split(min(count, len(groups))):
        yield batch.rows(torch.isin(batch.group, chosen).nonzero().squeeze(-1))


def micro_batches(batch: Batch, most_tokens: int) -> Iterator[Batch]:
    """Rows of similar length, each part at most `most_tokens` tokens with its padding (one row at least)."""
    length = _length(batch)
    order = torch.argsort(length, descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = int(length[order[start]])
        rows = order[start : start + max(1, most_tokens // max(longest, 1))]
        yield batch.rows(rows, longest)
        start += len(rows)


def _length(batch: Batch) -> Tensor:
    """Tokens of each row up to its last response token, `[B]`."""
    position = torch.arange(1, batch.tokens.shape[1] + 1, device=batch.tokens.device)
    return (batch.response_mask * position).amax(-1)
