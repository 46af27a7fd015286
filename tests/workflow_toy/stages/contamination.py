"""Toy."""

from __future__ import annotations

from rlpipe.models import digest, journal
from rlpipe.pipeline.stage import Context


def main(ctx: Context) -> None:
    journal("contamination")
    prompts = (ctx.inputs["curate"] / "prompts.txt").read_text()
    (ctx.out / "overlap.txt").write_text(digest(prompts, ctx.params))
