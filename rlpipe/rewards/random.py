"""Rewards that know nothing: the control that every claim of learning has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlpipe.types import Group, Step, draw_seed


def coin_flips(groups: Sequence[Group], step: Step, *, seed: int, probability: float = 0.5) -> list[Tensor]:
    """1 with `probability`, else 0, whatever the response says.

    Each flip is keyed by (seed, step, prompt, sample), so it depends neither on batching nor on interruptions; the step
    is the one whose weights wrote the rollout.

    Returns: one `[G]` per group.
    Raises: ValueError unless 0 <= probability <= 1.
    Source: the random-reward control of Shao et al., Spurious Rewards, arXiv:2506.10947. Differs: none.
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"coin flips: probability {probability} must be in [0, 1]")
    return [
        torch.tensor(
            [
                float(draw_seed("coin_flips", seed, rollout.policy_step, group.prompt.id, i) < probability * 2**63)
                for i, rollout in enumerate(group.rollouts)
            ]
        )
        for group in groups
    ]
