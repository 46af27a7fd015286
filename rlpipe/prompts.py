"""Prompts out of `prompts.parquet`, as the rest of the package sees them, and how some of them are chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe import artifacts
from rlpipe.types import Prompt, draw_seed


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


def by_hash(prompts: Iterable[Prompt], *key: int | str) -> list[Prompt]:
    """In the order of a hash of (key, id): shuffled, and the same whatever order they came in."""
    return sorted(prompts, key=lambda p: (draw_seed(*key, p.id), p.id))


def at_most(limit: int | None, prompts: Iterable[Prompt], stratum: Callable[[Prompt], Hashable]) -> list[Prompt]:
    """The first `limit` of every stratum, in their order; all of them where it is None."""
    taken: Counter[Hashable] = Counter()
    chosen = []
    for prompt in prompts:
        taken[stratum(prompt)] += 1
        if limit is None or taken[stratum(prompt)] <= limit:
            chosen.append(prompt)
    return chosen
