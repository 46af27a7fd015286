"""Stage evaluate: the warm-up policy, or one run with one seed, on prompts it never saw."""

from __future__ import annotations

import torch

from rlpipe import models
from rlpipe.engine.load import load_engine
from rlpipe.environments.load import environment_of
from rlpipe.evaluate.on_the_way import kept_policies, sample_kept
from rlpipe.evaluate.prompt_subset import choose, steps_trained
from rlpipe.evaluate.sample import Subject, sample
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import write_metrics
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts


def main(ctx: Context) -> None:
    """`samples.parquet` and `metrics.parquet` of a policy."""
    settings = EvaluateSettings.model_validate(ctx.params["evaluate"])
    torch.set_num_threads(settings.threads)
    trained = next(name for name in ctx.inputs if name != "curate")
    prompts = choose(load_prompts(ctx.inputs["curate"] / "prompts.parquet", settings.split), settings.limit)
    model, tokenizer = models.load_policy(ctx.inputs[trained] / "policy")
    engine = load_engine(settings.engine, model, tokenizer, settings.batch_size)
    name = trained.removeprefix("train/")
    subject = Subject(name, name, steps_trained(ctx.inputs[trained]) if trained != "sft" else 0)
    table, environment = ctx.out / "samples.parquet", environment_of(ctx.params.get("environment"))
    sample(prompts, engine, settings, subject, table, ctx.scratch, settings.split, environment)
    kept = kept_policies(ctx.inputs[trained]) if settings.on_the_way else []
    tables = sample_kept(kept, prompts, settings, subject, ctx.scratch, environment)
    ctx.notes["looks"] = {"split": settings.split, "policies": 1 + len(kept), "prompts": len(prompts)}
    write_metrics(ctx.out, settings, settings.split, tables)
