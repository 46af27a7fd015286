"""Contamination: overlap between training and evaluation prompts, and what the policy betrays of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import polars as pl

from rlpipe import artifacts
from rlpipe.contamination.verdict import Verdict, with_random_reward
from rlpipe.report.blocks import Block, Cell, Column, Heading, Prose, Section, Table, absent
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, escape, listing
from rlpipe.report.measures import Measured
from rlpipe.report.random_rewards import gains
from rlpipe.report.sections import clean, exposure, probes
from rlpipe.report.sections import drift as watch
from rlpipe.report.sections.probes import Seed
from rlpipe.statistics.random_reward import Gain

ID, TITLE, SHORT = "contamination", "Contamination", "Contamination"
TONES = {"contaminated": "down", "review": "mark", "clean": "up", "unknown": "dim"}


def build(data: Data, measured: Measured) -> Section:
    """Verdicts, overlap, scores on clean prompts, ROC curves, AUCs with their control, power, and drift."""
    found: list[Seed] = [
        (run, int(name.rpartition("-")[2]), name) for run in data.runs for name in data.names("contamination", run)
    ]
    if not found:
        return absent(ID, TITLE, "No contamination check is among the inputs of this report.", SHORT)
    records = pl.concat([_records(data, seed) for seed in found])
    blocks: list[Block] = [*verdicts(with_gains(records, measured)), *overlap(records)]
    blocks += [*clean.blocks(data, measured, found), *probes.blocks(data, found), *exposure.blocks(data, found)]
    blocks += watch.blocks(data, found)
    if not blocks:
        blocks.append(Prose("The contamination checks hold no overlap table and no probe.", "absent"))
    return Section(ID, TITLE, blocks, "Was an evaluation prompt trained on, and would the policy show it?", SHORT)


def _records(data: Data, seed: Seed) -> pl.DataFrame:
    """Pairs, summaries and verdicts of one check."""
    run, number_, name = seed
    frame = data.table(name, "overlap.parquet", artifacts.CONTAMINATION)
    columns = ["record_type", "method", "decision", "eval_set", "n", "score", "train_count", "reason", "info_json"]
    return frame.select(columns).with_columns(pl.lit(run).alias("run"), pl.lit(number_).alias("seed"))


def with_gains(records: pl.DataFrame, measured: Measured) -> pl.DataFrame:
    """The records with verdicts that know what each benchmark gained in runs rewarded at random."""
    by_benchmark: dict[str, list[Gain]] = {}
    for gain in (gain for found in gains(measured).values() for gain in found):
        by_benchmark.setdefault(gain.benchmark, []).append(gain)
    if not by_benchmark:
        return records
    decided, reasons = records["decision"].to_list(), records["reason"].to_list()
    for i, row in enumerate(records.iter_rows(named=True)):
        if row["record_type"] == "verdict" and row["eval_set"] in by_benchmark:
            known = Verdict(row["eval_set"], row["decision"], tuple((row["reason"] or "").split("\n")))
            found = with_random_reward(known, by_benchmark[row["eval_set"]])
            decided[i], reasons[i] = found.decision, "\n".join(found.reasons)
    return records.with_columns(pl.Series("decision", decided, pl.String), pl.Series("reason", reasons, pl.String))


def verdicts(records: pl.DataFrame) -> list[Block]:
    """A row per benchmark and decision: reasons that all its seeds give, and folded those of each seed."""
    rows = records.filter(pl.col("record_type") == "verdict")
    if not len(rows):
        return []
    body = []
    for (benchmark, decision), part in rows.group_by("eval_set", "decision", maintain_order=True):
        reasons = {f"{r['run']} seed {r['seed']}": (r["reason"] or "").split("\n") for r in part.iter_rows(named=True)}
        cells = [Cell(escape(benchmark or "all")), Cell(escape(decision), tone=TONES.get(str(decision), ""))]
        body.append([*cells, Cell(escape(_named(part))), Cell(_reasons(reasons), tone="dim")])
    body.sort(key=lambda cells: cells[0].text)
    columns = [
        Column(name, number=False, wide=name == "Reasons") for name in ("Benchmark", "Verdict", "Under", "Reasons")
    ]
    caption = "The verdict on each benchmark, and why; <em>unknown</em> means the check could not have seen it."
    return [Table("verdicts", columns, body, caption, rows.select("run", "seed", "eval_set", "decision", "reason"))]


def _named(part: pl.DataFrame) -> str:
    """`grpo 0 and 1, clip_cov 0`."""
    runs = part.group_by("run", maintain_order=True).agg(pl.col("seed").sort().cast(pl.String))
    return ", ".join(f"{run} {listing(seeds)}" for run, seeds in runs.iter_rows())


def _reasons(by_seed: Mapping[str, Sequence[str]]) -> str:
    """What all seeds give as a reason; under it, folded, what only some do."""
    every = list(by_seed.values())
    common = [reason for reason in every[0] if all(reason in reasons for reasons in every)]
    own = {who: [r for r in reasons if r not in common] for who, reasons in by_seed.items()}
    lines = [escape(reason) for reason in common]
    if len(by_seed) == 1:
        return "<br>".join([*map(escape, own.popitem()[1]), *lines])
    listed = "<br>".join(f"{escape(who)}: {escape('; '.join(reasons))}" for who, reasons in own.items() if reasons)
    folded = [f"<details><summary>By seed</summary>{listed}</details>"] if listed else []
    return "<br>".join(lines) + "".join(folded)


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
