"""Prompts out of `prompts.parquet`, as the rest of the package sees them, and how some of them are chosen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe import artifacts
from rlpipe.types import Prompt, draw_seed


def to_prompt(row: Mapping[str, Any]) -> Prompt:
    """One row of schema prompts/1."""
    messages = tuple({"role": m["role"], "content": m["content"]} for m in row["prompt"])
    answer = row["reward_model"]["ground_truth"] or ""
    extra = json.loads(row.get("metadata_json") or "{}")
    return Prompt(row["prompt_id"], messages, answer, row["data_source"], row.get("difficulty"), extra=extra)


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
        where = f" in split '{split}'; give it a share under curate.fractions" if split else ""
        raise ValueError(f"{path}: no prompts{where}")
    return to_prompts(frame.sort("prompt_id"))


def with_solutions(prompts: Sequence[Prompt], demonstrations: Path | str) -> list[Prompt]:
    """The prompts with the worked responses that a table demonstrations/1 has for them, in its order.

    Raises: ArtifactError for a file of another schema.
    """
    table = artifacts.read(demonstrations, artifacts.DEMONSTRATIONS, ["prompt_id", "response"])
    known = table.filter(pl.col("prompt_id").is_in([p.id for p in prompts]))
    found: dict[str, list[str]] = {}
    for name, response in known.iter_rows():
        found.setdefault(name, []).append(response)
    return [replace(p, solutions=tuple(found[p.id])) if p.id in found else p for p in prompts]


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
