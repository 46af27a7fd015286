"""The evaluation prompts that no training prompt resembles: the score on them stands beside the score on all."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rlpipe import artifacts


def clean_subset(overlap: Path | str | pl.DataFrame, prompts: Path | str | pl.DataFrame) -> list[str]:
    """Ids of the prompts, in their order, without any pair in the overlap table, be it a copy or of one template.

    Pairs that a judge looked at and found to be two problems (`keep`) do not count.

    `overlap` is a table contamination/1; `prompts` is one of prompts/1, or any frame with a column `prompt_id`.

    Raises: ArtifactError for a file of another schema; ValueError if the overlap table has no summary, so that it was
    not written to its end.
    """
    columns = ["record_type", "decision", "eval_id"]
    table = overlap if isinstance(overlap, pl.DataFrame) else artifacts.read(overlap, artifacts.CONTAMINATION, columns)
    rows = prompts if isinstance(prompts, pl.DataFrame) else artifacts.read(prompts, artifacts.PROMPTS, ["prompt_id"])
    if "summary" not in set(table["record_type"]):
        raise ValueError("the overlap table has no row of record_type 'summary': make it again with `overlap`")
    flagged = set(table.filter((pl.col("record_type") == "pair") & (pl.col("decision") != "keep"))["eval_id"])
    return [identity for identity in rows["prompt_id"] if identity not in flagged]
