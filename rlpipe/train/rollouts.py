"""Every rollout of a run as rows of `rollouts.parquet`: written in parts at checkpoints, joined at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rlpipe import artifacts
from rlpipe.train.collect import Collected
from rlpipe.types import Batch, Group, RolloutPlan


class RolloutLog:
    """Rows of the steps since the last checkpoint; parts are named by the step they end at."""

    def __init__(self, directory: Path, run_id: str, plan: RolloutPlan):
        self.directory, self.run_id, self.plan = directory, run_id, plan
        self.sampling = json.dumps(asdict(plan.sampling), sort_keys=True)
        self.rows: list[dict[str, Any]] = []
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, step: int, collected: Collected, batch: Batch | None) -> None:
        """The rollouts of a step, those of filtered groups too (without an advantage)."""
        advantages = iter(_advantages(batch))
        kept = {id(g) for g in collected.kept}
        for number, group in enumerate(collected.sampled):
            used = id(group) in kept
            for i in range(len(group.rollouts)):
                advantage = next(advantages) if used else None
                self.rows.append(self._row(step, number, group, i, advantage, used))

    def _row(self, step: int, number: int, group: Group, i: int, advantage: float | None, used: bool) -> dict[str, Any]:
        rollout, verdict, mask = group.rollouts[i], group.verdicts[i], group.rollouts[i].response_mask
        assert group.reward is not None
        return {
            "run_id": self.run_id,
            "model_id": self.run_id,
            "policy_step": step,
            "prompt_id": group.prompt.id,
            "data_source": group.prompt.source,
            "difficulty": group.prompt.difficulty,
            "group_id": f"{step}-{number}",
            "sample_index": i,
            "prompt": list(group.prompt.messages),
            "response": rollout.text,
            "response_ids": rollout.tokens[mask].tolist(),
            "logprobs": rollout.logprob[mask].tolist(),
            "entropies": rollout.entropy[mask].tolist(),
            "finish_reason": rollout.finish,
            "n_prompt_tokens": len(rollout.tokens) - rollout.response_length,
            "n_response_tokens": rollout.response_length,
            "sampling_json": self.sampling,
            "seed": self.plan.seed,
            "extracted_answer": verdict.extracted,
            "canonical_answer": verdict.canonical,
            "canonical_solution": verdict.solution,
            "reward": float(group.reward[i]),
            "acc": verdict.correct,
            "reward_components": sorted((k, float(v[i])) for k, v in group.reward_terms.items()),
            "verifier": verdict.verifier,
            "verifier_version": verdict.version,
            "verifier_status": verdict.status,
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


def _advantages(batch: Batch | None) -> Sequence[float]:
    """Mean advantage over the response tokens of each rollout of the batch, in order."""
    if batch is None:
        return []
    length = batch.response_mask.sum(-1).clamp(min=1)
    means: list[float] = ((batch.advantage * batch.response_mask).sum(-1) / length).tolist()
    return means
