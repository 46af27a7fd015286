"""The batches that every method is tried on: what samplers, selections and buffers make of rollouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from rlpipe.ops.collate import turns
from rlpipe.types import Batch, Group, Rollout, Signals
from tests.toy import random_batch

SEED = 4


def single() -> Batch:
    """Rollouts of one turn each."""
    return random_batch(seed=SEED)


def several_turns() -> Batch:
    """The third token of each longer response was written by somebody else."""
    plain = single()
    mask = plain.response_mask.clone()
    written = mask.long().cumsum(-1)
    mask &= ~((written == 3) & (mask.sum(-1, keepdim=True) > 3))
    return _rewritten(plain, mask)


def branched() -> Batch:
    """The second half of each group goes on from the second response token of its first rollout."""
    plain = single()
    mask = plain.response_mask.clone()
    written = mask.long().cumsum(-1)
    length = mask.sum(-1)
    parent = torch.arange(len(plain)) - plain.sample
    late = (plain.sample >= 2) & (length > 2) & (length[parent] > 1)
    mask &= ~((written <= 1) & late[:, None])
    return _rewritten(plain, mask, lambda r, i: replace(r, parent=0, branched_at=4) if late[i] else r)


def replayed() -> Batch:
    """Every other rollout is of an earlier step, and carries what it recorded then."""
    plain = single()
    old = plain.sample % 2 == 1
    logprob = torch.where(old[:, None], plain.sampling_logprob, plain.old.logprob)
    batch = replace(plain, old=Signals(logprob, plain.old.entropy))
    return _rewritten(batch, batch.response_mask, lambda r, i: replace(r, policy_step=-3) if old[i] else r)


def filtered() -> Batch:
    """One group dropped and one thinned, as a selection may; places in the batch are no longer places in groups."""
    plain = random_batch(seed=SEED, groups=4)
    kept = (plain.group != 1) & ~((plain.group == 2) & (plain.sample == 0))
    return plain.rows(kept.nonzero().squeeze(-1))


BATCHES: dict[str, Callable[[], Batch]] = {f.__name__: f for f in (single, several_turns, branched, replayed, filtered)}


def _rewritten(
    batch: Batch, mask: Tensor, change: Callable[[Rollout, int], Rollout] = lambda rollout, row: rollout
) -> Batch:
    """The batch with another mask, and with rollouts in its groups that agree with it."""
    rollouts: dict[tuple[int, int], Rollout] = {}
    for i, (g, s) in enumerate(zip(batch.group.tolist(), batch.sample.tolist(), strict=True)):
        before = batch.groups[g].rollouts[s]
        own = mask[i, : len(before.tokens)]
        rollouts[g, s] = change(replace(before, response_mask=own, logprob=before.logprob * own), i)
    groups = tuple(
        Group(
            group.prompt,
            tuple(rollouts[g, s] for s in range(len(group.rollouts))),
            group.verdicts,
            group.reward_terms,
            group.reward,
        )
        for g, group in enumerate(batch.groups)
    )
    old = Signals(batch.old.logprob * mask, batch.old.entropy * mask)
    sampling = batch.sampling_logprob * mask
    return replace(
        batch,
        response_mask=mask,
        turn=turns(mask),
        groups=groups,
        old=old,
        sampling_logprob=sampling,
        reduction_weight=mask / mask.sum().double(),
    )
