"""The reward of reinforcement learning from verifiable rewards: the verdict's score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlpipe.types import Group, Step, Verdict

# Only an answer that was read and judged can be worth something; the status stays in the verdict for whoever asks why.
JUDGED = frozenset(("ok", "wrong"))


def verified(groups: Sequence[Group], step: Step) -> list[Tensor]:
    """Score of every rollout in [0, 1]; 0 for whatever was not judged, timeouts and errors of the verifier included.

    Failing closed is safe only beside `verifiers.error_rate.ErrorRate`, which stops a run whose verifier fails.

    Returns: one `[G]` per group.
    Raises: ValueError for a group without a verdict per rollout.
    """
    return [torch.tensor([_worth(verdict) for verdict in verdicts(group)], dtype=torch.float32) for group in groups]


def _worth(verdict: Verdict) -> float:
    return min(1.0, max(0.0, verdict.score)) if verdict.status in JUDGED else 0.0


def paid(group: Group) -> Tensor:
    """The group's rewards `[G]`. Raises: ValueError if it has none yet."""
    if group.reward is None:
        raise ValueError(f"prompt {group.prompt.id}: shaped before it was rewarded; fill the slot `reward` first")
    return group.reward


def verdicts(group: Group) -> Sequence[Verdict]:
    """The group's verdicts, one per rollout.

    Raises: ValueError if the rollouts have not been verified.
    """
    if len(group.verdicts) != len(group.rollouts):
        raise ValueError(
            f"prompt {group.prompt.id}: {len(group.verdicts)} verdicts for {len(group.rollouts)} rollouts; "
            "verify a group before it is rewarded"
        )
    return group.verdicts
