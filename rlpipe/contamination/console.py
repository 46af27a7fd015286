"""What the stage and the stand-alone commands print: detectors with their intervals, and verdicts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from rlpipe.contamination.probes.detectors import DETECTORS
from rlpipe.contamination.verdict import Verdict
from rlpipe.evaluate.metric_row import ALL, label

COLOURS = {"clean": "green", "review": "yellow", "contaminated": "red", "unknown": "dim"}
LOG_WIDTH = 140
CAVEATS = (
    "Directions were fixed before labels were seen. No threshold is calibrated: a cut at 5 % false alarms needs a set "
    "known to be clean. Greedy decoding is not reproducible to the bit on every device. An AUC on fewer than 50 prompts "
    "per class is exploratory."
)


def show(metrics: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], console: Console | None = None) -> None:
    """Print both tables and the caveats."""
    console = console or wide_console()
    for split, title in (("train", "Members against non-members"), ("test", "Benchmark against never-trained prompts")):
        table = detector_table(metrics, split, title)
        if table.row_count:
            console.print(table)
    if asked := {r["metric"].removeprefix("auc:") for r in metrics if r["metric"].startswith("auc:")}:
        console.print(direction_table(asked))
    if verdicts:
        console.print(verdict_table(verdicts))
    console.print(CAVEATS, style="dim")


def wide_console() -> Console:
    """The terminal as it is; a log as wide as the tables need."""
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


def detector_table(metrics: Sequence[Mapping[str, Any]], split: str, title: str) -> Table:
    """A row per detector: AUC under each policy, their difference, and TPR at 5 % false alarms; over all sources."""
    own = [r for r in metrics if r.get("split") == split and r["benchmark"] == ALL]
    models = list(dict.fromkeys(r["model_id"] for r in own if r["metric"].startswith("auc:")))
    by_key = {(r["model_id"], r["metric"]): r for r in own}
    table = Table(title=title)
    for column in ("detector", *(f"AUC {m}" for m in models), "1 - AUC", "difference", "TPR at 5 % FPR", "prompts"):
        table.add_column(column)
    for detector in DETECTORS.values():
        rows = [by_key.get((m, f"auc:{detector.name}")) for m in models]
        if not rows or rows[0] is None:
            continue
        info = json.loads(rows[0]["info_json"])
        rise, caught = (by_key.get((models[0], f"{kind}:{detector.name}")) for kind in ("diff:auc", "tpr@5%fpr"))
        left_out = f", {info['n_dropped']} without a score" if info["n_dropped"] else ""
        table.add_row(
            f"{detector.title} ({detector.suspicious})",
            *(_interval(r) for r in rows),
            f"{info['one_minus_auc']:.2f}",
            _interval(rise),
            f"{caught['value']:.2f}" if caught else "",
            f"{info['n_members']} + {info['n_nonmembers']}{left_out}",
        )
    return table


def direction_table(methods: Collection[str]) -> Table:
    """A row per detector: which scores are suspicious, and why."""
    table = Table(title="What is suspicious")
    for column in ("detector", "scores", "because"):
        table.add_column(column)
    for detector in DETECTORS.values():
        if detector.name in methods:
            table.add_row(detector.title, detector.suspicious, detector.why)
    return table


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """A row per benchmark, its reasons one below the other."""
    table = Table(title="Verdict by benchmark")
    for column in ("benchmark", "verdict", "reasons, gravest first"):
        table.add_column(column)
    for v in verdicts:
        table.add_row(v.benchmark, f"[{COLOURS[v.decision]}]{v.decision}[/]", "\n".join(v.reasons).replace("[", r"\["))
    return table


def clean_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row per policy, benchmark and metric: the score on all prompts, and on those no training prompt resembles."""
    table = Table(title="Score on all prompts and on the clean ones")
    for column in ("policy", "benchmark", "metric", "all", "clean", "clean prompts"):
        table.add_column(column)
    clean = {_place(r): r for r in rows if r["metric"].startswith("clean:")}
    for row in rows:
        if not row["metric"].startswith("clean:"):
            beside = clean.get(_place(row))
            of = f"{beside['n_problems'] if beside else 0} of {row['n_problems']}"
            name = label(row["metric"], row["k"])
            table.add_row(row["model_id"], row["benchmark"], name, _interval(row), _interval(beside), of)
    return table


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    name = row["metric"].removeprefix("clean:")
    return row["run_id"], row["model_id"], row["policy_step"], row["benchmark"], name, row["k"]


def _interval(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    bounds = "" if row["ci_lo"] is None else f" \\[{row['ci_lo']:.2f}, {row['ci_hi']:.2f}]"
    return f"{row['value']:.2f}{bounds}"
