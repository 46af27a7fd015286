"""A run: from the policy it begins with through all steps to a trained one; killed, it ends where it would have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rlpipe import artifacts, models
from rlpipe.engine.batched import Dealing
from rlpipe.engine.load import load_engine
from rlpipe.engine.processes import count, leads
from rlpipe.phases import Phase, load_phases, recipe_at
from rlpipe.policy.forward import Policy
from rlpipe.policy.precision import refuse_low_precision
from rlpipe.progress import progress
from rlpipe.train import checkpoint, shards, snapshots
from rlpipe.train.agent import POLICY, Agent, Trainer
from rlpipe.train.determinism import deterministic
from rlpipe.train.log import Clock
from rlpipe.train.optimizer import learning_rate, make_optimizer
from rlpipe.train.rollouts import RolloutLog
from rlpipe.train.settings import PhaseSettings, TrainSettings
from rlpipe.train.step import Taken, train_step
from rlpipe.types import Plan, Prompt, Sampling, Step, draw_seed
from rlpipe.verifiers.error_rate import ErrorRate


@dataclass(frozen=True)
class Job:
    """What a run is told. `policy` is the directory it begins from; `artifacts` are directories by the names methods use."""

    name: str
    seed: int
    stacks: Sequence[PhaseSettings]
    settings: TrainSettings
    pool: Sequence[Prompt]
    policy: Path
    environment: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"run {self.name} seed {self.seed}"


@dataclass
class Run:
    """Everything a run carries from step to step."""

    job: Job
    phases: Sequence[Phase]
    trainer: Trainer
    rollouts: RolloutLog
    plan: Plan
    tokenizer: Any
    rows: list[dict[str, Any]] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    step: int = 0


def train(job: Job, out: Path, scratch: Path) -> None:
    """Train and write `policy/` (others under `agents/`), `snapshots/` and three tables under `out`.

    In a run of several processes all of them call this, and the first writes.
    """
    settings = job.settings
    deterministic(settings.threads)
    run = prepare(job, scratch)
    resume(run, scratch)
    with progress(settings.steps, f"train {job.name} seed {job.seed}", done=run.step, shown=leads()) as reporter:
        while run.step < settings.steps:
            row, clock = advance(run, scratch)
            reporter.advance(1, reward=row["reward"], entropy=row["token_entropy"], seconds=sum(clock.seconds.values()))
    if leads():
        finish(run, out, scratch)


def finish(run: Run, out: Path, scratch: Path) -> None:
    """Write the artifact."""
    settings = run.job.settings
    for name, agent in run.trainer.agents.items():
        place = out / ("policy" if name == POLICY else f"agents/{name}")
        place.parent.mkdir(exist_ok=True)
        models.save_policy(agent.sampled, run.tokenizer, place)
    snapshots.collect(snapshots.snapshot_steps(settings.snapshots, settings.steps), scratch, out)
    artifacts.write(out / "metrics.parquet", artifacts.STEPS, run.rows)
    artifacts.write(out / "timings.parquet", artifacts.TIMINGS, run.timings)
    run.rollouts.join(out / "rollouts.parquet")


def prepare(job: Job, scratch: Path) -> Run:
    """Load the policy, once for every agent, and compose the recipes.

    Raises: ModelError for an unusable policy; ValueError for methods that do not fit together.
    """
    settings = job.settings
    phases = load_phases([s.model_dump(exclude_none=True) for s in job.stacks], job.artifacts)
    names = list(dict.fromkeys(name for phase in phases for name in phase.recipe.agents))
    agents, tokenizer = {}, None
    for name in names:
        agents[name], tokenizer = load_agent(phases, settings, job.policy)
    sampling = Sampling(settings.max_new_tokens, settings.temperature)
    plan = Plan(settings.rollouts, sampling, job.seed, **job.environment)
    log = RolloutLog(scratch / "rollouts", f"{job.name}/seed-{job.seed}", plan)
    return Run(job, phases, Trainer(agents, settings, ErrorRate()), log, plan, tokenizer)


def load_agent(phases: Sequence[Phase], settings: TrainSettings, path: Path) -> tuple[Agent, Any]:
    """An agent that starts as the policy at `path`, and its tokenizer."""
    model, tokenizer = models.load_policy(path)
    for phase in phases:
        for transform in phase.recipe.model_transforms:
            model = transform(model)
    reference = None
    if any("reference" in p.recipe.needs for p in phases):
        frozen = models.load_policy(path)[0].requires_grad_(False)
        reference = Policy(frozen, settings.temperature, settings.logits_chunk_bytes)
    refuse_low_precision(model)
    policy = Policy(model, settings.temperature, settings.logits_chunk_bytes)
    sharded = shards.wanted(settings, policy.device)
    sampled = deepcopy(model) if sharded else model  # the built-in engine decodes with whole weights
    engine = load_engine(settings.engine, sampled, tokenizer)
    if sharded:
        shards.shard(policy)
    optimizer = make_optimizer(policy, settings)
    return Agent(policy, engine if count() == 1 else Dealing(engine), optimizer, sampled, reference), tokenizer


def advance(run: Run, scratch: Path) -> tuple[dict[str, Any], Clock]:
    """One step, and a checkpoint where one is due."""
    settings = run.job.settings
    rng = torch.Generator().manual_seed(draw_seed(run.job.seed, "step", run.step))
    step = Step(run.step, settings.steps, rng, run.plan, settings.mini_batches)
    for agent in run.trainer.agents.values():
        for group in agent.optimizer.param_groups:
            group["lr"] = learning_rate(settings, run.step)
    recipe = recipe_at(run.phases, run.step, settings.steps)
    try:
        taken = train_step(run.job.pool, run.trainer, recipe, step)
    except FloatingPointError as error:
        raise FloatingPointError(
            f"{run.job.label}, step {run.step}: {error}; the weights of the last checkpoint are intact. "
            f"Lower train.learning_rate, or train.clip_grad_norm"
        ) from error
    hand_over(run.trainer, run.step + 1)
    if leads():
        with taken.clock("record"):
            run.rollouts.add(run.step, taken.collected, taken.batches)
    row = taken.row(run.step)
    run.rows.append(row)
    run.timings.append(timing(run.step, taken))
    run.step += 1
    if leads() and run.step in snapshots.snapshot_steps(settings.snapshots, settings.steps):
        snapshots.keep(run.trainer.agents[POLICY].sampled, run.tokenizer, run.step, scratch)
    if run.step % settings.checkpoint_every == 0 or run.step == settings.steps:
        save(run, scratch)
    return row, taken.clock


def hand_over(trainer: Trainer, step: int) -> None:
    """Every engine gets the weights of its agent, as they are at `step`."""
    for agent in trainer.agents.values():
        if shards.is_sharded(agent.policy):
            agent.sampled.load_state_dict(shards.model_state(agent.policy))
        agent.engine.load_policy(agent.sampled, step)


def timing(step: int, taken: Taken) -> dict[str, Any]:
    """Seconds by phase, and tokens per second where sampled and where trained on."""
    seconds, trained = taken.clock.seconds, sum(m.tokens for m in taken.metrics.values())
    return {
        "step": step,
        **{f"seconds_{phase}": value for phase, value in seconds.items()},
        "sampling_tokens_per_second": taken.collected.num_tokens / max(seconds.get("sample", 0.0), 1e-9),
        "training_tokens_per_second": trained / max(seconds.get("update", 0.0), 1e-9),
    }


def save(run: Run, scratch: Path) -> None:
    """Rollouts first: a checkpoint never names rows that are not on disk. All processes gather, the first writes."""
    agents = run.trainer.agents
    state = {
        "step": run.step,
        "models": {name: shards.model_state(agent.policy) for name, agent in agents.items()},
        "optimizers": {name: shards.optimizer_state(agent.policy, agent.optimizer) for name, agent in agents.items()},
        "recipes": [p.recipe.state_dict() for p in run.phases],
        "errors": run.trainer.errors.state_dict(),
        "rows": json.dumps(run.rows),
        "timings": json.dumps(run.timings),
    }
    if leads():
        run.rollouts.flush(run.step)
        checkpoint.save(scratch / "checkpoint.pt", state)


def resume(run: Run, scratch: Path) -> None:
    """Take up the last checkpoint, if there is one. Generators need none: every draw is keyed by its step."""
    state = checkpoint.load(scratch / "checkpoint.pt")
    if state is None:
        if leads():
            run.rollouts.rewind(0)
        return
    run.step = state["step"]
    for name, agent in run.trainer.agents.items():
        shards.load_state(agent.policy, agent.optimizer, state["models"][name], state["optimizers"][name])
    for phase, recipe_state in zip(run.phases, state["recipes"], strict=True):
        phase.recipe.load_state_dict(recipe_state)
    run.trainer.errors.load_state_dict(state["errors"])
    run.rows, run.timings = json.loads(state["rows"]), json.loads(state["timings"])
    hand_over(run.trainer, run.step)
    if leads():
        run.rollouts.rewind(run.step)
        print(f"resuming at step {run.step}", flush=True)
