"""Whether rollouts are right: the verdicts of a step, from the one door to all verifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlpipe.engine.processes import shared
from rlpipe.types import Group, Step
from rlpipe.verifiers.verify import verify_many


def verify_last_turn(groups: Sequence[Group], step: Step) -> list[Group]:
    """The groups with a verdict on each rollout's last turn."""
    pairs = [(g.prompt, r.text) for g in groups for r in g.rollouts]
    verdicts = iter(shared(verify_many, pairs))
    return [replace(g, verdicts=tuple(next(verdicts) for _ in g.rollouts)) for g in groups]
