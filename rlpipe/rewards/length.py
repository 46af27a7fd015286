"""Rewards that look at how long a response is, in tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlpipe.rewards.verified import paid
from rlpipe.types import Group, Step


def overlong_penalty(response_length: Tensor, *, max_length: int, cache: int, factor: float = 1.0) -> Tensor:
    """0 up to `max_length - cache` tokens, then linearly down to `-factor` at `max_length`, and `-factor` beyond.

    Returns: penalty in reward units, in [-factor, 0], of the shape of `response_length` (tokens).
    Raises: ValueError unless 0 < cache <= max_length and factor >= 0.
    Source: DAPO, arXiv:2503.14476, section 3.4 (soft overlong punishment). Differs: none.
    """
    if not 0 < cache <= max_length or factor < 0:
        raise ValueError(
            f"overlong penalty: cache ({cache}) must be in 1..max_length ({max_length}) and factor ({factor}) >= 0"
        )
    beyond = response_length.to(torch.float32) - (max_length - cache)
    return -factor * (beyond / cache).clamp(0.0, 1.0)


def overlong_shaping(
    groups: Sequence[Group], step: Step, *, max_length: int, cache: int, factor: float = 1.0
) -> list[Tensor]:
    """Rewards with the overlong penalty added, before advantages are computed; a reward shaping.

    Returns: one `[G]` per group.
    """
    shaped = []
    for group in groups:
        reward = paid(group)
        length = torch.tensor([rollout.response_length for rollout in group.rollouts], device=reward.device)
        shaped.append(reward + overlong_penalty(length, max_length=max_length, cache=cache, factor=factor))
    return shaped
