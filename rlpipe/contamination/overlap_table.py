"""The overlap table with the verdicts at its end, and what it says of each benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from rlpipe import artifacts
from rlpipe.contamination.verdict import Copies, Verdict, verdict_rows
from rlpipe.curate.files.texts import TextFile, frames
from rlpipe.overlap.overlap import overlap
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.overlap.thresholds import OverlapThresholds

Decide = Callable[[Mapping[str, Copies]], Sequence[Verdict]]


def write_overlap(
    train: Sequence[TextFile],
    evaluation: Sequence[TextFile],
    out: Path,
    thresholds: OverlapThresholds,
    model_id: str | None,
    decide: Decide,
    paraphrases: ParaphraseSearch | None = None,
) -> list[Verdict]:
    """Write `out/overlap.parquet`: a row per pair, a summary per evaluation set, and the verdicts of `decide`.

    Raises: as `overlap.overlap`.
    """
    found = out / "overlap.parquet"
    pairs = found.with_name("overlap.found")
    try:
        overlap(frames(train), frames(evaluation), pairs, thresholds, paraphrases)
        verdicts = list(decide(copies(pairs)))
        with artifacts.TableWriter(found, artifacts.CONTAMINATION) as writer:
            for part in artifacts.stream(pairs, artifacts.CONTAMINATION):
                writer.write(part)
            if verdicts:
                writer.write(verdict_rows(verdicts, model_id))
    finally:
        pairs.unlink(missing_ok=True)
    return verdicts


def copies(path: Path) -> dict[str, Copies]:
    """Per evaluation set, how many of its prompts have a pair of each decision; a prompt counts once, for its gravest.

    Raises: ArtifactError for a file of another schema.
    """
    columns = ["record_type", "decision", "eval_set", "eval_id", "info_json"]
    table = artifacts.read(path, artifacts.CONTAMINATION, columns)
    pairs = table.filter(pl.col("record_type") == "pair").select("eval_set", "eval_id", "decision").unique()
    gravest: dict[tuple[str, str], str] = {}
    for eval_set, eval_id, decision in pairs.iter_rows():
        known = gravest.get((eval_set, eval_id), "keep")
        gravest[eval_set, eval_id] = min(known, decision, key=("drop", "review", "template", "keep").index)
    found = {}
    for row in table.filter(pl.col("record_type") == "summary").iter_rows(named=True):
        own = [d for (name, _), d in gravest.items() if name == row["eval_set"]]
        size = json.loads(row["info_json"])["n_eval"]
        found[row["eval_set"]] = Copies(size, *(own.count(d) for d in ("drop", "review", "template")))
    return found
