"""The signals of a step that are measured without gradient: the old policy's, the current one's, the reference's."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from rlpipe.ops.collate import rollouts_of
from rlpipe.policy.forward import Policy
from rlpipe.policy.scoring import score_rows
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Signals


def old_signals(batch: Batch, policy: Policy, exact: bool, recipe: Recipe, step: int, most_tokens: int) -> Signals:
    """A ratio's denominator: the policy at the start of the step, or where the recipe says so what rollouts carry.

    An exact engine has measured the policy already, if every rollout is fresh and of the run's own distribution.
    """
    recorded = recipe.old == "recorded"
    if not recipe.signals and (recorded or (exact and bool(measured_rows(batch, policy.temperature, step).all()))):
        return batch.old
    found = measured(batch, policy, recipe, most_tokens)
    return Signals(batch.old.logprob, found.entropy, found.extra) if recorded else found


def measured_rows(batch: Batch, temperature: float, step: int) -> Bool[Tensor, "B"]:
    """True for rollouts written by the weights of `step` and drawn from their whole distribution."""
    found = [r.policy_step == step and r.plain(temperature) for r in rollouts_of(batch)]
    return torch.tensor(found, dtype=torch.bool, device=batch.row.device)


def reference_signals(batch: Batch, reference: Policy | None, recipe: Recipe, most_tokens: int) -> Signals | None:
    """The frozen reference policy's signals, where the recipe asks for them."""
    if "reference" not in recipe.needs:
        return None
    assert reference is not None
    return measured(batch, reference, recipe, most_tokens)


def current_signals(batch: Batch, policy: Policy, recipe: Recipe, most_tokens: int) -> Signals | None:
    """The policy's signals at the start of this update, where the recipe asks for them."""
    return measured(batch, policy, recipe, most_tokens) if "current" in recipe.needs else None


def measured(batch: Batch, policy: Policy, recipe: Recipe, most_tokens: int) -> Signals:
    """Signals `[B T]` of the whole batch under a policy."""
    return score_rows(policy, batch.tokens, batch.response_mask, recipe.signals, most_tokens)
