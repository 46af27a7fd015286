"""Rewards without a reference: agreement with the majority of the policy's own answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlpipe.rewards.verified import verdicts
from rlpipe.types import Group, Step, Verdict

# An answer that could not be read, or that a failing verifier looked at, has no vote.
VOTERS = frozenset(("ok", "wrong", "needs_symbolic", "gold_unparseable"))


@dataclass(frozen=True)
class Vote:
    """The outcome: the winning canonical answer, None if nobody answered, and its share of all rollouts."""

    label: str | None
    majority_ratio: float


def answers(group_verdicts: Sequence[Verdict]) -> list[str | None]:
    """Canonical answers; None where there is none."""
    return [v.canonical or None if v.status in VOTERS else None for v in group_verdicts]


def vote(group_verdicts: Sequence[Verdict]) -> Vote:
    """The most frequent answer; of equally frequent ones, the first given.

    Source: TTRL, arXiv:2504.16084, section 2.2. Differs: in the authors' code the empty answer takes part and can win,
    which then rewards responses without an answer; here it abstains. Abstentions count in the ratio's denominator.
    """
    counts = Counter(answer for answer in answers(group_verdicts) if answer is not None)
    if not counts:
        return Vote(None, 0.0)
    label, votes = counts.most_common(1)[0]  # insertion order breaks ties
    return Vote(label, votes / len(group_verdicts))


def majority(groups: Sequence[Group], step: Step) -> list[Tensor]:
    """1 for rollouts that answer as the majority of their group does, else 0; all 0 where nobody answers.

    Answers agree if their canonical forms do. Differs: the authors grade with symbolic equivalence, so that a mean
    reward above the majority's share is possible there and not here.

    Returns: one `[G]` per group.
    Raises: ValueError for a group without a verdict per rollout.
    """
    rewards = []
    for group in groups:
        label = vote(verdicts(group)).label
        rewards.append(torch.tensor([float(a is not None and a == label) for a in answers(group.verdicts)]))
    return rewards
