"""Stage sft: the warm-up policy."""

from __future__ import annotations

from rlpipe.params.model_settings import ModelSettings
from rlpipe.pipeline.stage import Context
from rlpipe.train.sft.settings import SftSettings
from rlpipe.train.sft.warm_up import warm_up


def main(ctx: Context) -> None:
    """`policy/` and `metrics.parquet` from the demonstrations of `curate`."""
    model = ModelSettings.model_validate(ctx.params["model"])
    settings = SftSettings.model_validate(ctx.params["sft"])
    warm_up(model, settings, ctx.inputs["curate"], ctx.out, ctx.scratch)
