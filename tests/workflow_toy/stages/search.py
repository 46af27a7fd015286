"""Toy."""

from __future__ import annotations

from rlpipe.models import digest, journal
from rlpipe.pipeline.stage import Context


def main(ctx: Context) -> None:
    journal("search")
    prompts = (ctx.inputs["curate"] / "prompts.txt").read_text()
    (ctx.out / "searches.txt").write_text(digest(prompts, ctx.params))
