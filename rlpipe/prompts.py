"""Prompts out of `prompts.parquet`, as the rest of the package sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe import artifacts
from rlpipe.types import Prompt


def to_prompt(row: Mapping[str, Any]) -> Prompt:
    """One row of schema prompts/1."""
    messages = tuple({"role": m["role"], "content": m["content"]} for m in row["prompt"])
    answer = row["reward_model"]["ground_truth"] or ""
    return Prompt(row["prompt_id"], messages, answer, row["data_source"], row.get("difficulty"))


def to_prompts(rows: pl.DataFrame | Iterable[Mapping[str, Any]]) -> list[Prompt]:
    return [to_prompt(r) for r in (rows.iter_rows(named=True) if isinstance(rows, pl.DataFrame) else rows)]


def load_prompts(path: Path | str, split: str | None = None) -> list[Prompt]:
    """The prompts of a split, ordered by id; all of them where `split` is None.

    Raises: ArtifactError for a file of another schema; ValueError if the split is empty.
    """
    frame = artifacts.read(path, artifacts.PROMPTS)
    if split is not None:
        frame = frame.filter(pl.col("split") == split)
    if frame.is_empty():
        raise ValueError(f"{path}: no prompts in split '{split}'; give it a share under curate.splits")
    return to_prompts(frame.sort("prompt_id"))
