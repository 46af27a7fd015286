"""A run: from the warm-up policy through all steps to a trained one; killed at any instant, it ends where it would have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rlpipe import artifacts, models
from rlpipe.engine.load import load_engine
from rlpipe.phases import Phase, load_phases, recipe_at
from rlpipe.policy.forward import Policy
from rlpipe.progress import progress
from rlpipe.train import checkpoint, snapshots
from rlpipe.train.determinism import deterministic
from rlpipe.train.log import Clock, Metrics
from rlpipe.train.optimizer import learning_rate, make_optimizer
from rlpipe.train.rollouts import RolloutLog
from rlpipe.train.settings import PhaseSettings, TrainSettings
from rlpipe.train.step import Trainer, train_step
from rlpipe.types import Prompt, RolloutPlan, Sampling, Step, draw_seed
from rlpipe.verifiers.error_rate import ErrorRate


@dataclass
class Run:
    """Everything a run carries from step to step."""

    name: str
    seed: int
    phases: Sequence[Phase]
    trainer: Trainer
    rollouts: RolloutLog
    plan: RolloutPlan
    tokenizer: Any
    rows: list[dict[str, Any]]
    timings: list[dict[str, Any]]
    step: int = 0


def train(
    name: str,
    seed: int,
    stacks: Sequence[PhaseSettings],
    settings: TrainSettings,
    pool: Sequence[Prompt],
    policy: Path,
    out: Path,
    scratch: Path,
) -> None:
    """Train and write `policy/`, `snapshots/`, `metrics.parquet`, `rollouts.parquet` and `timings.parquet` under `out`."""
    deterministic(settings.threads)
    run = prepare(name, seed, stacks, settings, policy, scratch)
    resume(run, scratch)
    with progress(settings.steps, f"train {name} seed {seed}", done=run.step) as reporter:
        while run.step < settings.steps:
            row, clock = advance(run, pool, settings, scratch)
            reporter.advance(1, reward=row["reward"], entropy=row["token_entropy"], seconds=sum(clock.seconds.values()))
    models.save_policy(run.trainer.policy.model, run.tokenizer, out / "policy")
    snapshots.collect(snapshots.snapshot_steps(settings.snapshots, settings.steps), scratch, out)
    artifacts.write(out / "metrics.parquet", artifacts.STEPS, run.rows)
    artifacts.write(out / "timings.parquet", artifacts.TIMINGS, run.timings)
    run.rollouts.join(out / "rollouts.parquet")


def prepare(
    name: str, seed: int, stacks: Sequence[PhaseSettings], settings: TrainSettings, policy: Path, scratch: Path
) -> Run:
    """Load the policy and compose the recipes.

    Raises: ModelError for an unusable policy; ValueError for methods that do not fit together.
    """
    phases = load_phases([s.model_dump(exclude_none=True) for s in stacks])
    model, tokenizer = models.load_policy(policy)
    for phase in phases:
        for transform in phase.recipe.model_transforms:
            model = transform(model)
    reference = None
    if any(p.recipe.needs_reference for p in phases):
        frozen = models.load_policy(policy)[0].eval().requires_grad_(False)
        reference = Policy(frozen, settings.temperature, settings.logits_chunk_bytes)
    trainer = Trainer(
        policy=Policy(model.train(), settings.temperature, settings.logits_chunk_bytes),
        engine=load_engine(settings.engine, model, tokenizer),
        optimizer=make_optimizer(model, settings),
        settings=settings,
        errors=ErrorRate(),
        reference=reference,
    )
    plan = RolloutPlan(settings.rollouts, Sampling(settings.max_new_tokens, settings.temperature), seed)
    log = RolloutLog(scratch / "rollouts", f"{name}/seed-{seed}", plan)
    return Run(name, seed, phases, trainer, log, plan, tokenizer, [], [])


def advance(run: Run, pool: Sequence[Prompt], settings: TrainSettings, scratch: Path) -> tuple[dict[str, Any], Clock]:
    """One step, and a checkpoint where one is due."""
    rng = torch.Generator().manual_seed(draw_seed(run.seed, "step", run.step))
    step = Step(index=run.step, total=settings.steps, rng=rng, rollout=run.plan)
    for group in run.trainer.optimizer.param_groups:
        group["lr"] = learning_rate(settings, run.step)
    recipe = recipe_at(run.phases, run.step, settings.steps)
    try:
        collected, batch, metrics, clock = train_step(pool, run.trainer, recipe, step)
    except FloatingPointError as error:
        raise FloatingPointError(
            f"run {run.name} seed {run.seed}, step {run.step}: {error}; the weights of the last checkpoint are intact. "
            f"Lower train.learning_rate, or train.clip_grad_norm"
        ) from error
    run.trainer.engine.load_policy(run.trainer.policy.model)
    with clock("record"):
        run.rollouts.add(run.step, collected, batch)
    row = metrics.row(run.step)
    run.rows.append(row)
    run.timings.append(timing(run.step, metrics, clock, collected.num_tokens))
    run.step += 1
    if run.step in snapshots.snapshot_steps(settings.snapshots, settings.steps):
        snapshots.keep(run.trainer.policy.model, run.tokenizer, run.step, scratch)
    if run.step % settings.checkpoint_every == 0 or run.step == settings.steps:
        save(run, scratch)
    return row, clock


def timing(step: int, metrics: Metrics, clock: Clock, sampled: int) -> dict[str, Any]:
    """Seconds by phase, and tokens per second where sampled and where trained on."""
    seconds = clock.seconds
    return {
        "step": step,
        **{f"seconds_{phase}": value for phase, value in seconds.items()},
        "sampling_tokens_per_second": sampled / max(seconds.get("sample", 0.0), 1e-9),
        "training_tokens_per_second": metrics.tokens / max(seconds.get("update", 0.0), 1e-9),
    }


def save(run: Run, scratch: Path) -> None:
    """Rollouts first: a checkpoint never names rows that are not on disk."""
    run.rollouts.flush(run.step)
    checkpoint.save(
        scratch / "checkpoint.pt",
        {
            "step": run.step,
            "model": run.trainer.policy.model.state_dict(),
            "optimizer": run.trainer.optimizer.state_dict(),
            "recipes": [p.recipe.state_dict() for p in run.phases],
            "errors": run.trainer.errors.state_dict(),
            "rows": json.dumps(run.rows),
            "timings": json.dumps(run.timings),
        },
    )


def resume(run: Run, scratch: Path) -> None:
    """Take up the last checkpoint, if there is one. Generators need none: every draw is keyed by its step."""
    state = checkpoint.load(scratch / "checkpoint.pt")
    if state is None:
        run.rollouts.rewind(0)
        return
    run.step = state["step"]
    run.trainer.policy.model.load_state_dict(state["model"])
    run.trainer.optimizer.load_state_dict(state["optimizer"])
    for phase, recipe_state in zip(run.phases, state["recipes"], strict=True):
        phase.recipe.load_state_dict(recipe_state)
    run.trainer.errors.load_state_dict(state["errors"])
    run.rows, run.timings = json.loads(state["rows"]), json.loads(state["timings"])
    run.rollouts.rewind(run.step)
    run.trainer.engine.load_policy(run.trainer.policy.model)
    print(f"resuming at step {run.step}", flush=True)
