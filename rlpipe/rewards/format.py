"""A bonus for answering in the form that was asked for, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlpipe.rewards.verified import verdicts
from rlpipe.types import Group

# The rollout has an answer and only one. Failures of the verifier say nothing of the form and earn nothing.
IN_FORM = frozenset(("ok", "wrong", "needs_symbolic"))


def in_form(groups: Sequence[Group]) -> list[Tensor]:
    """1 where one answer could be read from the response, else 0.

    Returns: one `[G]` per group.
    Raises: ValueError for a group without a verdict per rollout.
    """
    return [torch.tensor([float(v.status in IN_FORM) for v in verdicts(group)]) for group in groups]


def format_bonus(groups: Sequence[Group], rewards: Sequence[Tensor], *, weight: float = 0.1) -> list[Tensor]:
    """Rewards with `weight` added where the form is right; a reward shaping.

    Returns: one `[G]` per group.
    """
    return [reward + weight * form for reward, form in zip(rewards, in_form(groups), strict=True)]
