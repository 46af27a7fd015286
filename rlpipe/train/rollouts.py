"""Every rollout of a run as rows of `rollouts.parquet`: written in parts at checkpoints, joined at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rlpipe import artifacts
from rlpipe.ops.collate import rollouts_of
from rlpipe.samplers.rollout_rows import prompt_columns, rollout_columns, sampling_json, verdict_columns
from rlpipe.train.collect import Collected
from rlpipe.types import Batch, Group, Plan


class RolloutLog:
    """Rows of the steps since the last checkpoint; parts are named by the step they end at."""

    def __init__(self, directory: Path, run_id: str, plan: Plan):
        self.directory, self.run_id, self.plan = directory, run_id, plan
        self.rows: list[dict[str, Any]] = []
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, step: int, collected: Collected, batches: Mapping[str, Batch]) -> None:
        """The rollouts of a step, those of groups that were not selected too (without an advantage)."""
        advantage = _advantages(batches.values())
        kept = {id(r) for g in collected.kept for r in g.rollouts}
        for number, group in enumerate(collected.sampled):
            for i, rollout in enumerate(group.rollouts):
                self.rows.append(self._row(step, number, group, i, advantage.get(id(rollout)), id(rollout) in kept))

    def _row(self, step: int, number: int, group: Group, i: int, advantage: float | None, used: bool) -> dict[str, Any]:
        rollout, verdict = group.rollouts[i], group.verdicts[i]
        assert group.reward is not None
        return {
            "run_id": self.run_id,
            "model_id": self.run_id,
            "policy_step": rollout.policy_step,
            "group_id": f"{step}-{number}",
            **prompt_columns(group.prompt, i),
            **rollout_columns(rollout),
            "sampling_json": sampling_json(rollout.sampling or self.plan.sampling),
            "seed": self.plan.seed,
            "reward": float(group.reward[i]),
            "reward_components": sorted((k, float(v[i])) for k, v in group.reward_terms.items()),
            **verdict_columns(verdict),
            "advantage": advantage,
            "info_json": json.dumps({"kept": used}),
        }

    def flush(self, step: int) -> None:
        """Write the rows gathered as the part that ends before `step`."""
        if self.rows:
            artifacts.write(self.directory / f"{step:08d}.parquet", artifacts.ROLLOUTS, self.rows)
            self.rows = []

    def rewind(self, step: int) -> None:
        """Forget parts that end after `step`: a run resumed there makes them again."""
        for part in self.directory.glob("*.parquet*"):
            if not part.name.endswith(".parquet") or int(part.stem) > step:
                part.unlink()

    def join(self, path: Path) -> None:
        """All parts as one table, a row group each."""
        with artifacts.TableWriter(path, artifacts.ROLLOUTS) as writer:
            for part in sorted(self.directory.glob("*.parquet")):
                writer.write(pq.read_table(part))


def _advantages(batches: Iterable[Batch]) -> dict[int, float]:
    """Mean advantage over the response tokens of each rollout, by the identity of the rollout."""
    found: dict[int, float] = {}
    for batch in batches:
        length = batch.response_mask.sum(-1).clamp(min=1)
        means = ((batch.advantage * batch.response_mask).sum(-1) / length).tolist()
        found |= dict(zip(map(id, rollouts_of(batch)), means, strict=True))
    return found
