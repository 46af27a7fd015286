"""Stage evaluate: the warm-up policy, or one run with one seed, on prompts it never saw."""

from __future__ import annotations

from pathlib import Path

import torch

from rlpipe import artifacts, models
from rlpipe.engine.hf import HFEngine
from rlpipe.evaluate.sample import Subject, choose, sample
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summarise import write_metrics
from rlpipe.prompts import load_prompts
from rlpipe.stage import Context


def main(ctx: Context) -> None:
    """`samples.parquet` and `metrics.parquet` of a policy."""
    settings = EvaluateSettings.model_validate(ctx.params["evaluate"])
    torch.set_num_threads(settings.threads)
    trained = next(name for name in ctx.inputs if name != "curate")
    prompts = choose(load_prompts(ctx.inputs["curate"] / "prompts.parquet", settings.split), settings.limit)
    model, tokenizer = models.load_policy(ctx.inputs[trained] / "policy")
    engine = HFEngine(model, tokenizer, max_rows=settings.batch_size)
    name = trained.removeprefix("train/")
    subject = Subject(name, name, steps_trained(ctx.inputs[trained]) if trained != "sft" else 0)
    sample(prompts, engine, settings, subject, ctx.out / "samples.parquet", ctx.scratch, settings.split)
    write_metrics(ctx.out, settings, settings.split)


def steps_trained(artifact: Path) -> int:
    """Steps of reinforcement learning behind the policy of a train artifact."""
    steps = artifacts.read(artifact / "metrics.parquet", artifacts.STEPS, ["step"])["step"]
    return int(steps.max()) + 1 if len(steps) else 0  # type: ignore[arg-type]
