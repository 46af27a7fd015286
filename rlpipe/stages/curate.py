"""results/curate: prompts, demonstrations, what was left out and why, and the counts."""

from __future__ import annotations

from rlpipe.curate.curate import curate, describe, write
from rlpipe.curate.lengths import lengths_of
from rlpipe.curate.settings import CurateSettings
from rlpipe.params.model_settings import MAX_NEW_TOKENS, ModelSettings
from rlpipe.pipeline.stage import Context

WRITERS = ("train", "evaluate", "search")  # stages in which the policy writes


def main(ctx: Context) -> None:
    lengths = lengths_of(ModelSettings.model_validate(ctx.params.get("model", {})), longest_response(ctx))
    curated = curate(CurateSettings.model_validate(ctx.params["curate"]), lengths)
    print(describe(curated.summary), flush=True)
    write(curated, ctx.out)


def longest_response(ctx: Context) -> int:
    """Most tokens that a later stage lets a policy write; a run's own `max_new_tokens` is checked as it starts."""
    return max((ctx.params.get(stage) or {}).get("max_new_tokens", MAX_NEW_TOKENS) for stage in WRITERS)
