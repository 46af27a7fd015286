"""Stage train: one run with one seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlpipe.curricula.plant import plant
from rlpipe.environments.load import environment_of
from rlpipe.params.signatures import resolved_methods
from rlpipe.phases import load_phases
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts, with_solutions
from rlpipe.train.launch import train_in_processes
from rlpipe.train.run import Job
from rlpipe.train.settings import RunSettings, TrainSettings
from rlpipe.types import Prompt


def main(ctx: Context) -> None:
    """`policy/` (others under `agents/`), `snapshots/`, `metrics`, `rollouts` and `timings.parquet` of a run."""
    name, seed = ctx.wildcards["run"], int(ctx.wildcards["seed"])
    run = RunSettings.model_validate({**ctx.params["runs"][name], "seeds": [seed]})
    settings = run.resolve(TrainSettings.model_validate(ctx.params["train"]))
    pool = pool_of(run, settings, ctx.inputs["curate"], seed)
    places = {named: ctx.inputs[artifact] for named, artifact in run.inputs(seed).items()}
    ctx.notes["train"] = settings.model_dump()
    ctx.notes["phases"] = phases(run)
    ctx.notes["start"] = run.inputs(seed)[run.start]
    environment = environment_of(ctx.params.get("environment"))
    directories = {named: str(place) for named, place in places.items()}
    job = Job(name, seed, run.stacks(), settings, pool, places[run.start] / "policy", environment, directories)
    train_in_processes(job, ctx.out, ctx.scratch)


def phases(run: RunSettings) -> list[dict[str, Any]]:
    """Each phase with all hyperparameters of its methods, and what one of them changes of what another chose."""
    stacks = run.stacks()
    recipes = [phase.recipe for phase in load_phases([s.model_dump(exclude_none=True) for s in stacks])]
    changes = [[str(change) for change in recipe.changes] for recipe in recipes]
    for change in dict.fromkeys(change for changed in changes for change in changed):
        print(f"methods: {change}", flush=True)
    return [
        {"until": stack.until, "methods": resolved_methods(stack.methods), "changes": changed}
        for stack, changed in zip(stacks, changes, strict=True)
    ]


def pool_of(run: RunSettings, settings: TrainSettings, curated: Path, seed: int) -> Sequence[Prompt]:
    """The prompts of the run's split with their demonstrations; with the planted ones among them, where it has any."""
    prompts = curated / "prompts.parquet"
    pool = with_solutions(load_prompts(prompts, run.split), curated / "demonstrations.parquet")
    if run.plant is None:
        return pool
    draws = settings.steps * settings.prompts
    return plant(pool, load_prompts(prompts, "probe"), run.plant.members, run.plant.epochs, seed, draws)
