"""Toy."""

from __future__ import annotations

from rlpipe.models import digest, journal, save
from rlpipe.pipeline.stage import Context


def main(ctx: Context) -> None:
    journal("sft")
    prompts = (ctx.inputs["curate"] / "prompts.txt").read_text()
    save(ctx.out / "policy", digest(prompts, ctx.params))
