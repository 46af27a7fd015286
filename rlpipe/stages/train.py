"""Stage train: one run with one seed."""

from __future__ import annotations

from rlpipe.prompts import load_prompts
from rlpipe.stage import Context
from rlpipe.train.run import train
from rlpipe.train.settings import RunSettings, TrainSettings


def main(ctx: Context) -> None:
    """`policy/`, `metrics.parquet`, `rollouts.parquet` and `timings.parquet` of a run."""
    name, seed = ctx.wildcards["run"], int(ctx.wildcards["seed"])
    run = RunSettings.model_validate({**ctx.params["runs"][name], "seeds": [seed]})
    settings = run.resolve(TrainSettings.model_validate(ctx.params["train"]))
    pool = load_prompts(ctx.inputs["curate"] / "prompts.parquet", "train")
    train(name, seed, run.stacks(), settings, pool, ctx.inputs["sft"] / "policy", ctx.out, ctx.scratch)
