"""What is evaluated: which prompts of a split, and how far the policy of an artifact was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlpipe import artifacts
from rlpipe.prompts import at_most, by_hash
from rlpipe.types import Prompt


def choose(prompts: Sequence[Prompt], limit: int | None) -> list[Prompt]:
    """At most `limit` prompts of every source and level, those with the smallest hash of their id; ordered by id.

    A smaller limit takes the first of those that a larger one takes.
    """
    chosen = at_most(limit, by_hash(prompts, "evaluate"), lambda p: (p.source, p.difficulty))
    return sorted(chosen, key=lambda p: p.id)


def steps_trained(artifact: Path) -> int:
    """Steps of reinforcement learning behind the policy of a train artifact."""
    steps = artifacts.read(artifact / "metrics.parquet", artifacts.STEPS, ["step"])["step"]
    return int(steps.max()) + 1 if len(steps) else 0  # type: ignore[arg-type]
