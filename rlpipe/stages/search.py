"""Stage search: searches at inference with the warm-up policy, or one run with one seed, at equal generated tokens."""

from __future__ import annotations

from rlpipe.environments.load import environment_of
from rlpipe.evaluate.prompt_subset import choose, steps_trained
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts
from rlpipe.search.checkpoint import search_policy
from rlpipe.search.console import show
from rlpipe.search.settings import SearchStageSettings


def main(ctx: Context) -> None:
    """`searches.parquet` and `metrics.parquet` of a policy."""
    settings = SearchStageSettings.model_validate(ctx.params["search"])
    trained = next(name for name in ctx.inputs if name != "curate")
    prompts = choose(load_prompts(ctx.inputs["curate"] / "prompts.parquet", settings.split), settings.limit)
    name, policy = trained.removeprefix("train/"), ctx.inputs[trained]
    step = 0 if trained == "sft" else steps_trained(policy)
    who = {"run_id": name, "model_id": name, "policy_step": step, "split": settings.split}
    environment = environment_of(ctx.params.get("environment"))
    rows = search_policy(policy / "policy", prompts, settings, who, ctx.out, ctx.scratch, environment=environment)
    show(rows, settings)
