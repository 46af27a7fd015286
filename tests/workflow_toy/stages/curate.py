"""Toy: keeps the lines of the source files that do not begin with '#'."""

from __future__ import annotations

from pathlib import Path

from rlpipe.models import journal
from rlpipe.pipeline.stage import Context


def main(ctx: Context) -> None:
    journal("curate")
    files = [source["path"] for source in ctx.params["curate"]["sources"] if "path" in source]
    lines = [line for file in files for line in Path(file).read_text().splitlines() if not line.startswith("#")]
    if not lines:
        raise ValueError(f"curate.sources: no rows left of {files}; add some")
    (ctx.out / "prompts.txt").write_text("\n".join(lines) + "\n")
