"""Rollouts of the policies kept on the way through a run, on the prompts that the last one is evaluated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlpipe import models
from rlpipe.engine.load import load_engine
from rlpipe.evaluate.sample import Subject, sample
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.types import Prompt


def kept_policies(artifact: Path) -> list[tuple[int, Path]]:
    """Step and directory of the policies that a train artifact kept, in order."""
    found = [(int(path.name.removeprefix("step-")), path) for path in (artifact / "snapshots").glob("step-*")]
    return sorted(found)


def sample_kept(
    kept: Sequence[tuple[int, Path]],
    prompts: Sequence[Prompt],
    settings: EvaluateSettings,
    subject: Subject,
    scratch: Path,
    environment: Mapping[str, Any],
) -> dict[int, Path]:
    """Rollouts of every kept policy, by step; those already in `scratch` are left as they are."""
    fewer = settings.model_copy(update={"samples": settings.on_the_way, "cross_check": 0.0})
    tables = {}
    for step, directory in kept:
        tables[step] = scratch / f"kept-{step}.parquet"
        if not tables[step].exists():
            engine = load_engine(settings.engine, *models.load_policy(directory), settings.batch_size)
            who = replace(subject, policy_step=step)
            sample(prompts, engine, fewer, who, tables[step], scratch / f"kept-{step}", settings.split, environment)
    return tables
