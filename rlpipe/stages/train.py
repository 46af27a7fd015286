"""Stage train: one run with one seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlpipe.curricula.plant import plant
from rlpipe.params.signatures import resolved_methods
from rlpipe.phases import load_phases
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts
from rlpipe.train.run import train
from rlpipe.train.settings import RunSettings, TrainSettings
from rlpipe.types import Prompt


def main(ctx: Context) -> None:
    """`policy/`, `snapshots/`, `metrics.parquet`, `rollouts.parquet` and `timings.parquet` of a run."""
    name, seed = ctx.wildcards["run"], int(ctx.wildcards["seed"])
    run = RunSettings.model_validate({**ctx.params["runs"][name], "seeds": [seed]})
    settings = run.resolve(TrainSettings.model_validate(ctx.params["train"]))
    pool = pool_of(run, settings, ctx.inputs["curate"] / "prompts.parquet", seed)
    ctx.notes["train"] = settings.model_dump()
    ctx.notes["phases"] = phases(run)
    train(name, seed, run.stacks(), settings, pool, ctx.inputs["sft"] / "policy", ctx.out, ctx.scratch)


def phases(run: RunSettings) -> list[dict[str, Any]]:
    """Each phase with all hyperparameters of its methods, and what one of them changes of what another chose."""
    stacks = run.stacks()
    recipes = [phase.recipe for phase in load_phases([s.model_dump(exclude_none=True) for s in stacks])]
    for change in dict.fromkeys(change for recipe in recipes for change in recipe.changes):
        print(f"methods: {change}", flush=True)
    return [
        {"until": stack.until, "methods": resolved_methods(stack.methods), "changes": list(recipe.changes)}
        for stack, recipe in zip(stacks, recipes, strict=True)
    ]


def pool_of(run: RunSettings, settings: TrainSettings, prompts: Path, seed: int) -> Sequence[Prompt]:
    """The prompts of the train split; with the planted ones among them, where the run has any."""
    pool = load_prompts(prompts, "train")
    if run.plant is None:
        return pool
    draws = settings.steps * settings.prompts
    return plant(pool, load_prompts(prompts, "probe"), run.plant.members, run.plant.epochs, seed, draws)
