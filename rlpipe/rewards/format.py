"""A bonus for answering in the form that was asked for, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlpipe.rewards.verified import paid, verdicts
from rlpipe.types import Group, Step

# The rollout has an answer and only one. Failures of the verifier say nothing of the form and earn nothing.
IN_FORM = frozenset(("ok", "wrong", "needs_symbolic"))


def in_form(groups: Sequence[Group], step: Step) -> list[Tensor]:
    """1 where one answer could be read from the response, else 0.

    Returns: one `[G]` per group.
    Raises: ValueError for a group without a verdict per rollout.
    """
    return [torch.tensor([float(v.status in IN_FORM) for v in verdicts(group)]) for group in groups]


def format_bonus(groups: Sequence[Group], step: Step, *, weight: float = 0.1) -> list[Tensor]:
    """Rewards with `weight` added where the form is right; a reward shaping.

    Returns: one `[G]` per group.
    """
    return [paid(group) + weight * form for group, form in zip(groups, in_form(groups, step), strict=True)]
