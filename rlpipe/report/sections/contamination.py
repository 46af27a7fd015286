"""Contamination: overlap between training and evaluation prompts, and what the policy betrays of its training."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from rlpipe import artifacts
from rlpipe.report.blocks import Block, Cell, Column, Heading, Prose, Section, Table, absent
from rlpipe.report.data import Data
from rlpipe.report.markup import NONE, escape, number, run_name
from rlpipe.report.sections import probes
from rlpipe.report.sections.probes import Seed

ID, TITLE, SHORT = "contamination", "Contamination", "Contamination"
TONES = {"contaminated": "down", "review": "mark", "clean": "up", "unknown": "dim"}


def build(data: Data) -> Section:
    """Verdicts, overlap, ROC curves, and AUCs with their control."""
    found: list[Seed] = [
        (run, int(name.rpartition("-")[2]), name) for run in data.runs for name in data.names("contamination", run)
    ]
    if not found:
        return absent(ID, TITLE, "No contamination check is among the inputs of this report.", SHORT)
    records = pl.concat([_records(data, seed) for seed in found])
    blocks: list[Block] = [*verdicts(records), *overlap(records), *probes.blocks(data, found)]
    blocks += drift(data, found)
    if not blocks:
        blocks.append(Prose("The contamination checks hold no overlap table and no probe.", "absent"))
    return Section(ID, TITLE, blocks, "Was an evaluation prompt trained on, and would the policy show it?", SHORT)


def _records(data: Data, seed: Seed) -> pl.DataFrame:
    """Pairs, summaries and verdicts of one check."""
    run, number_, name = seed
    frame = data.table(name, "overlap.parquet", artifacts.CONTAMINATION)
    columns = ["record_type", "method", "decision", "eval_set", "n", "score", "train_count", "reason", "info_json"]
    return frame.select(columns).with_columns(pl.lit(run).alias("run"), pl.lit(number_).alias("seed"))


def verdicts(records: pl.DataFrame) -> list[Block]:
    """A row per benchmark and seed; seeds that agree in decision and reasons share a row."""
    rows = records.filter(pl.col("record_type") == "verdict")
    if not len(rows):
        return []
    same = rows.group_by("eval_set", "decision", "reason", maintain_order=True).agg(
        pl.struct("run", "seed").alias("who")
    )
    same = same.sort("eval_set", maintain_order=True)
    body = []
    for row in same.iter_rows(named=True):
        who = ", ".join(f"{w['run']} seed {w['seed']}" for w in row["who"])
        reasons = "<br>".join(escape(reason) for reason in (row["reason"] or "").split("\n"))
        decision = Cell(escape(row["decision"]), tone=TONES.get(row["decision"], ""))
        body.append([Cell(escape(row["eval_set"] or "all")), decision, Cell(escape(who)), Cell(reasons, tone="dim")])
    columns = [
        Column(name, number=False, wide=name == "Reasons") for name in ("Benchmark", "Verdict", "Under", "Reasons")
    ]
    caption = "The verdict on each benchmark, and why; <em>unknown</em> means the check could not have seen it."
    return [Table("verdicts", columns, body, caption, rows.select("run", "seed", "eval_set", "decision", "reason"))]


def overlap(records: pl.DataFrame) -> list[Block]:
    """Training and evaluation prompts compared as texts: the same for every run, so each benchmark is listed once."""
    rows = records.filter(pl.col("record_type") == "summary").unique(
        ["eval_set", "decision", "info_json"], maintain_order=True
    )
    if not len(rows):
        return []
    body, numbers = [], []
    for row in rows.sort("eval_set").iter_rows(named=True):
        info = json.loads(row["info_json"] or "{}")
        by_decision = info.get("n_by_decision") or {}
        found = {"prompts": info.get("n_eval"), "training_prompts": info.get("n_train")}
        found |= {name: by_decision.get(name) for name in ("drop", "review", "template")}
        cells = [
            Cell(escape(row["eval_set"] or "all")),
            Cell(escape(row["decision"]), tone=TONES.get(row["decision"], "")),
        ]
        cells += [Cell(NONE if n is None else f"{n:,}", sort="" if n is None else n) for n in found.values()]
        body.append(cells)
        numbers.append({"benchmark": row["eval_set"], "decision": row["decision"], **found})
    columns = [Column("Benchmark", number=False), Column("Finding", number=False), Column("Evaluation prompts")]
    columns += [Column("Training prompts"), Column("Copies"), Column("Near copies"), Column("Same template")]
    caption = (
        "Evaluation prompts that have a counterpart among the training prompts, as texts: word for word, by shared "
        "n-grams, or by Jaccard similarity. <em>Same template</em> means the same wording with other numbers, which "
        "a generated task has by construction and which is no copy."
    )
    return [
        Heading("Overlap"),
        Table("overlap", columns, body, caption, pl.DataFrame(numbers, infer_schema_length=None)),
    ]


def drift(data: Data, found: Sequence[Seed]) -> list[Block]:
    """Behaviour on a frozen set of prompts, before and after."""
    body, numbers = [], []
    for run, seed, name in found:
        for row in data.evaluation(name).filter(pl.col("metric").str.starts_with("drift")).iter_rows(named=True):
            info = json.loads(row["info_json"] or "{}")
            state = str(info.get("state", "unknown"))
            tone = {"stable": "up", "drifted": "down"}.get(state, "mark")
            cells = [Cell(f"{run_name(run, data.colours.slots[run])} seed {seed}"), Cell(escape(row["metric"]))]
            cells += [Cell(escape(state), tone=tone), Cell(number(row["value"], 3, sign=True), sort=row["value"])]
            body.append([*cells, Cell(number(row["ci_lo"], 3, sign=True)), Cell(number(row["ci_hi"], 3, sign=True))])
            numbers.append({"run": run, "seed": seed, "metric": row["metric"], "state": state, "rise": row["value"]})
            numbers[-1] |= {"lower": row["ci_lo"], "upper": row["ci_hi"], "tolerance": info.get("tolerance")}
    if not body:
        return []
    columns = [Column("Seed", number=False), Column("Watch", number=False), Column("State", number=False)]
    columns += [Column("Rise in cost"), Column("Lower bound"), Column("Upper bound")]
    tolerance = numbers[0]["tolerance"]
    caption = (
        "Did behaviour outside the reward get worse? Cost (0 right, 1 wrong) on a frozen set of prompts, the run "
        "minus the warm-up. <em>Stable</em> needs the upper bound within the "
        f"tolerance{'' if tolerance is None else f' of {tolerance:g}'}; <em>not shown stable</em> is an alarm too."
    )
    return [Heading("Drift"), Table("drift", columns, body, caption, pl.DataFrame(numbers, infer_schema_length=None))]
