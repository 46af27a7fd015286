"""The signals of a step that do not change while it updates: the old policy's and the reference policy's."""

from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.policy.forward import Policy
from rlpipe.recipe import Recipe
from rlpipe.train.collate import micro_batches
from rlpipe.types import Batch, Engine, Signals


def old_signals(batch: Batch, policy: Policy, engine: Engine, recipe: Recipe, most_tokens: int) -> Signals:
    """The policy's signals at the start of the step; an exact engine has measured them already."""
    if engine.exact and not recipe.signals:
        return batch.old
    return forward(batch, policy, recipe, most_tokens)


def reference_signals(batch: Batch, reference: Policy | None, recipe: Recipe, most_tokens: int) -> Signals | None:
    """The frozen reference policy's signals, where the recipe asks for them."""
    if not recipe.needs_reference:
        return None
    assert reference is not None
    return forward(batch, reference, recipe, most_tokens)


@torch.no_grad()
def forward(batch: Batch, policy: Policy, recipe: Recipe, most_tokens: int) -> Signals:
    """Signals `[B T]` of the whole batch, micro-batch by micro-batch."""
    # The group column carries each row's number, so that results find their way back from the sorted parts.
    numbered = replace(batch, group=torch.arange(len(batch), device=batch.group.device))
    names = ("logprob", "entropy", *recipe.signals)
    whole = {name: torch.zeros_like(batch.sampling_logprob) for name in names}
    for micro in micro_batches(numbered, most_tokens):
        found = policy(micro.tokens, micro.response_mask, recipe.signals)
        width = micro.tokens.shape[1]
        for name, value in zip(names, (found.logprob, found.entropy, *found.extra.values()), strict=True):
            whole[name][micro.group, :width] = value
    return Signals(whole.pop("logprob"), whole.pop("entropy"), whole)
