"""results/curate: prompts, demonstrations, what was left out and why, and the counts."""

from __future__ import annotations

from rlpipe.curate.curate import curate, describe, write
from rlpipe.curate.settings import CurateSettings
from rlpipe.pipeline.stage import Context


def main(ctx: Context) -> None:
    curated = curate(CurateSettings.model_validate(ctx.params["curate"]))
    print(describe(curated.summary), flush=True)
    write(curated, ctx.out)
