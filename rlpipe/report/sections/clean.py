"""The score on the evaluation prompts that no training prompt resembles, beside the score on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from rlpipe import artifacts
from rlpipe.contamination.clean_score import Scored, clean_scores, headline
from rlpipe.overlap.clean_subset import clean_subset
from rlpipe.report.blocks import Block, Cell, Column, Heading, Prose, Table
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, count, escape, interval, number, run_name
from rlpipe.report.measures import Measured
from rlpipe.report.sections.probes import Seed
from rlpipe.statistics.intervals import Interval


def blocks(data: Data, measured: Measured, found: Sequence[Seed]) -> list[Block]:
    """A sentence on how much is clean, and both scores of every policy by benchmark; empty where nothing was compared."""
    tables = [data.table(name, "overlap.parquet", artifacts.CONTAMINATION) for _, _, name in found]
    compared = [table for table in tables if "summary" in set(table["record_type"])]
    asked = _asked(data)
    if not compared or not measured.policies or not asked:
        return []
    every = set(measured.prompts["prompt_id"])
    clean = every & asked
    for table in compared:  # planted runs are trained on more: a prompt is clean if it is so for every run
        clean &= set(clean_subset(table, measured.prompts))
    rows = scores(measured, clean)
    total, n = len(measured.prompts), len(clean)
    return [
        Heading("Score on the clean prompts"),
        Prose(_how_to_read(n, total, len(every - asked)), "reading"),
        _table(data, rows, n == total),
    ]


def _asked(data: Data) -> set[str]:
    """Ids of the prompts that were compared with training prompts: others may not be called clean."""
    split = str(data.section("contamination").get("benchmark_split") or "test")
    return set(data.prompts.filter(pl.col("split") == split)["prompt_id"])


def scores(measured: Measured, clean: set[str]) -> pl.DataFrame:
    """Mean and interval by policy, benchmark, measure and subset; a benchmark without a clean prompt has no clean row."""
    labels = headline([name for table in measured.tables.values() for name in table[0].columns])
    frame = measured.prompts.select("prompt_id", pl.col("source").alias("data_source"))

    def measure(values: np.ndarray) -> Interval:
        return measured.intervals(values)[0]

    rows = []
    for policy in measured.policies:
        own = frame.with_columns(pl.Series(label, measured.values(policy, label)) for label in labels)
        rows += [{"run": policy, **_row(scored)} for scored in clean_scores(own, clean, labels, measure)]
    return pl.DataFrame(rows, infer_schema_length=None)


def _row(scored: Scored) -> dict[str, Any]:
    found = scored.found
    place = {"benchmark": scored.benchmark, "measure": scored.label, "subset": scored.subset}
    numbers = {"value": found.value, "ci_lo": found.low, "ci_hi": found.high, "ci_method": found.method}
    return {**place, **numbers, "prompts": scored.n, "of": scored.total}


def _how_to_read(n: int, total: int, missing: int) -> str:
    if n == total:
        return (
            f"No training prompt resembles any of the {count(total, 'evaluated prompt')}, so the clean prompts are all of "
            "them and every score on this page is a score on clean prompts."
        )
    return (
        f"{n:,} of {count(total, 'evaluated prompt')} have no counterpart among the training prompts, be it a copy or the "
        "same template with other numbers. A score that is lower on these alone owes something to having seen the others, "
        "or they are harder; where the two intervals lie apart, quote the clean one."
        + (
            f" {count(missing, 'prompt')} of another split were not compared and do not count as clean."
            if missing
            else ""
        )
    )


def _table(data: Data, rows: pl.DataFrame, equal: bool) -> Table:
    labels = [name for name in rows["measure"].unique(maintain_order=True) if name.startswith("pass@")]
    body = []
    for (benchmark, run), part in rows.group_by("benchmark", "run", maintain_order=True):
        by = {(r["measure"], r["subset"]): r for r in part.iter_rows(named=True)}
        of, kept = by[labels[0], "all"], by.get((labels[0], "clean"))
        cells = [Cell(escape("all sources" if benchmark == "all" else str(benchmark)))]
        cells += [Cell(run_name(str(run), data.colours.slots[str(run)]))]
        cells.append(
            Cell(f"{kept['prompts'] if kept else 0:,} of {of['prompts']:,}", sort=kept["prompts"] if kept else 0)
        )
        body.append([*cells, *(_cell(by.get((label, subset))) for label in labels for subset in ("all", "clean"))])
    body.sort(key=lambda cells: (cells[0].text != "all sources", cells[0].text))
    columns = [Column("Benchmark", number=False), Column("Policy", number=False), Column("Clean prompts")]
    columns += [Column(f"{label}, {subset}") for label in labels for subset in ("all", "clean")]
    caption = "Scores on all evaluated prompts and on the clean ones, with intervals; a run is the mean of its seeds."
    return Table("clean", columns, body, caption, rows, folded="Both scores, as a table" if equal else "")


def _cell(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NONE, sort="")
    return Cell(number(row["value"]), interval(row["ci_lo"], row["ci_hi"]), row["value"])
