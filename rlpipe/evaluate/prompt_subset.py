"""What is evaluated: which prompts of a split, and how far the policy of an artifact was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlpipe import artifacts
from rlpipe.types import Prompt, draw_seed


def choose(prompts: Sequence[Prompt], limit: int | None) -> list[Prompt]:
    """At most `limit` prompts of every source and level, those with the smallest hash of their id; ordered by id.

    A smaller limit takes the first of those that a larger one takes.
    """
    taken: dict[tuple[str, str | None], int] = {}
    chosen = []
    for p in sorted(prompts, key=lambda p: (draw_seed("evaluate", p.id), p.id)):
        taken[p.source, p.difficulty] = taken.get((p.source, p.difficulty), 0) + 1
        if limit is None or taken[p.source, p.difficulty] <= limit:
            chosen.append(p)
    return sorted(chosen, key=lambda p: p.id)


def steps_trained(artifact: Path) -> int:
    """Steps of reinforcement learning behind the policy of a train artifact."""
    steps = artifacts.read(artifact / "metrics.parquet", artifacts.STEPS, ["step"])["step"]
    return int(steps.max()) + 1 if len(steps) else 0  # type: ignore[arg-type]
