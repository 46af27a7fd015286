"""How far to trust the numbers: agreement as confidence, drops on the way, and how often the test split was looked at."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Figure, Heading, Prose, Section, Table, absent
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import NONE, count, escape, interval, number, run_name
from rlpipe.report.measures import Measured
from rlpipe.statistics.reliability.reuse import half_width, state, winners_inflation

ID, TITLE, SHORT = "trust", "How far to trust the numbers", "Trust"
CALIBRATION, KEPT = "calibration:", "kept:"
DIAGONAL = pl.DataFrame({"share": [0.0, 1.0], "right": [0.0, 1.0]})
COLUMNS = {
    "ece": (
        "ECE",
        "Mean distance between share of the majority answer and how often it is right, over ten bins; 0 is best",
    ),
    "gap": ("Right \u2212 share", "Below 0 the policy agrees with itself more often than it is right"),
    "brier": ("Brier", "Mean squared distance of share and correctness"),
    "aurc": ("AURC", "Mean error rate of the k most agreed prompts, over all k"),
    "auroc": ("AUROC", "Chance that a right majority is larger than a wrong one"),
}


def build(data: Data, measured: Measured) -> Section:
    """Calibration, the worst case on the way, and the ledger of looks, as far as each is there."""
    blocks = [*calibration(data), *worst_case(data), *ledger(data, measured)]
    if not blocks:
        return absent(ID, TITLE, "No evaluation is among the inputs of this report.", SHORT)
    return Section(ID, TITLE, blocks, short=SHORT)


def _rows(data: Data, prefix: str) -> list[dict[str, Any]]:
    """Rows of all evaluations whose metric begins with `prefix`, with their run and seed."""
    found = []
    for run in (WARM_UP, *data.runs):
        for name in data.names("evaluate", run):
            seed = None if run == WARM_UP else int(name.rpartition("-")[2])
            rows = data.evaluation(name).filter(pl.col("metric").str.starts_with(prefix))
            found += [{**row, "run": run, "place": seed} for row in rows.iter_rows(named=True)]
    return found


def _named(data: Data, run: str, seed: int | None) -> str:
    return run_name(run, data.colours.slots[run]) + ("" if seed is None else f" seed {seed}")


def calibration(data: Data) -> list[Block]:
    """Share of the majority answer against how often it is right, and the numbers."""
    rows = _rows(data, CALIBRATION)
    if not rows:
        return []
    bins = [
        {"run": r["run"], "seed": r["place"], **b}
        for r in rows
        if r["metric"] == CALIBRATION + "ece"
        for b in json.loads(r["info_json"])["bins"]
    ]
    figure = Figure(
        "calibration",
        [reliability(data.colours)],
        {"calibration-bins": pl.DataFrame(bins, infer_schema_length=None), "diagonal": DIAGONAL},
        "Share of the majority answer among half of the rollouts, chosen by the other half, against how often it is right; "
        "a dot is a bin of prompts, its size their number. Below the diagonal a policy agrees with itself more often than "
        "it is right.",
        "Dots of correctness over the share of the majority answer, with the diagonal",
    )
    return [Heading("Agreement as confidence"), figure, _calibration_table(data, rows)]


def reliability(colours: Colours) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("calibration-bins"))
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("share:Q", scale=scale, axis=alt.Axis(title="share of the majority answer", format="~g", tickCount=5))
    y = alt.Y("right:Q", scale=scale, axis=alt.Axis(title="right", format="~g", tickCount=5))
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("n:Q", title="prompts")]
    tooltip += [alt.Tooltip(f"{f}:Q", format=".2f") for f in ("share", "right")]
    dots = base.mark_point(filled=True).encode(
        x, y, colours.color(), alt.Size("n:Q", legend=None), tooltip=tooltip, opacity=opacity(0.8)
    )
    line = alt.Chart(alt.NamedData("diagonal")).mark_line(color="var(--soft)", strokeWidth=1, strokeDash=[3, 3])
    return specification(alt.layer(line.encode(x, y), dots).add_params(highlight()), 240)


def _calibration_table(data: Data, rows: list[dict[str, Any]]) -> Table:
    by: dict[tuple[str, int | None], dict[str, dict[str, Any]]] = {}
    for row in rows:
        by.setdefault((row["run"], row["place"]), {})[row["metric"].removeprefix(CALIBRATION)] = row
    body, numbers = [], []
    for (run, seed), found in by.items():
        null = json.loads(found["ece"]["info_json"])["ece_null"]
        cells = [Cell(_named(data, run, seed), sort=f"{run} {seed}")]
        for name in COLUMNS:
            if name not in found:
                cells.append(Cell(NONE, sort=""))
                continue
            row = found[name]
            below = interval(row["ci_lo"], row["ci_hi"], 2, sign=name == "gap")
            below += f"<br>by chance up to {number(null, 2)}" if name == "ece" else ""
            cells.append(Cell(number(row["value"], 3, sign=name == "gap"), below, row["value"]))
            numbers.append({"run": run, "seed": seed, "measure": name, "value": row["value"], "ece_null": null})
        body.append(cells)
    return Table(
        "calibration",
        [Column("Policy", number=False), *(Column(*COLUMNS[name]) for name in COLUMNS)],
        body,
        "Calibration of agreement over prompts, with percentile bootstrap intervals over prompts. Even a policy whose shares "
        "are exactly its chances has an ECE above 0: the quantile it stays below in 95 of 100 draws stands beside it.",
        pl.DataFrame(numbers, infer_schema_length=None),
    )


def worst_case(data: Data) -> list[Block]:
    """Least accuracy after a task was learned, and the largest fall, by seed and task."""
    rows = [r for r in _rows(data, KEPT) if r["metric"] != KEPT + "accuracy"]
    if not rows:
        return []
    by: dict[tuple[str, int | None, str], dict[str, Any]] = {}
    for row in rows:
        info = json.loads(row["info_json"])
        found = by.setdefault(
            (row["run"], row["place"], row["benchmark"]), {"last": info["last"], "n": row["n_problems"]}
        )
        found |= {row["metric"].removeprefix(KEPT): row["value"], "steps": info["steps"]}
        if "cross_fitted" in info:
            found["cross_fitted"] = info["cross_fitted"]
    body = []
    for (run, seed, task), f in sorted(by.items(), key=lambda item: (item[0][2] != "all", item[0])):
        cells = [Cell(_named(data, run, seed), sort=f"{run} {seed}"), Cell(escape(task), count(f["n"], "prompt"))]
        for name, sign in (("min_accuracy", False), ("last", False), ("drawdown", False), ("cross_fitted", True)):
            value = f.get(name)
            cells.append(Cell(NONE, sort="") if value is None else Cell(number(value, 3, sign=sign), sort=value))
        body.append(cells)
    numbers = [
        {"run": r, "seed": s, "task": t, **{k: v for k, v in f.items() if k != "steps"}} for (r, s, t), f in by.items()
    ]
    kept = max((len(f["steps"]) for f in by.values()), default=0)
    columns = [
        Column("Seed", number=False),
        Column("Task", number=False),
        Column(
            "Least after learned", "Least pass@1 of a kept policy after the first within 0.02 of the task\u2019s best"
        ),
        Column("Last", "pass@1 of the last policy, with as many rollouts"),
        Column("Largest fall", "Between two policies in order, at face value: noise alone makes one"),
        Column("Cross-fitted", "The same fall, chosen on half of the prompts and measured on the others"),
    ]
    table = Table(
        "worst-case",
        columns,
        body,
        f"Drops that the last policy hides: pass@1 of the {kept} policies kept in order, by source and level. A fall is one "
        "only where its cross-fitted value is clearly above 0.",
        pl.DataFrame(numbers, infer_schema_length=None),
        folded="Worst case on the way, by task",
    )
    return [table]


def looks(data: Data) -> int:
    """How often the test split was answered by a policy, over all versions of the evaluations and searches here."""
    total = 0
    for name in data.inputs:
        if name.startswith(("evaluate/", "search/")):
            receipt = data.receipt(name)
            policies = (receipt.get("notes") or {}).get("looks", {}).get("policies", 1)
            total += policies * (1 + len(receipt.get("earlier", [])))
    return total


def ledger(data: Data, measured: Measured) -> list[Block]:
    """What so many looks at one split leave of its intervals."""
    n, k, candidates = len(measured.prompts), looks(data), len(measured.runs)
    if not n or not k:
        return []
    primary = measured.settings.primary_metric
    sds = [measured.values(run, primary).std(ddof=1) for run in measured.runs if n > 1 and _has(measured, primary)]
    sd = float(max(sds, default=0.5))
    luck = winners_inflation(sd, n, candidates)
    gains = (
        [abs(measured.difference(r, o, primary).value) for r, o in measured.pairs()] if _has(measured, primary) else []
    )
    verdict = state(n, k, candidates, max(gains, default=0.0), sd)
    words = {
        "supported": "One candidate, chosen elsewhere: its interval stands as it is.",
        "corrected": "Read the adjusted p-values, which allow for the comparisons made.",
        "not supported": "<strong>A small gain is not supported by this split</strong>: choose on another, or draw a fresh one "
        "(another <code>curate.seed</code> for generated tasks) and look once.",
    }[verdict]
    return [
        Heading("Looks at the test split"),
        Prose(
            f"{count(n, 'prompt')}, answered {k:,} times by policies whose results could be used to choose (kept by the "
            f"receipts, earlier versions of these evaluations included). Of {count(candidates, 'run')} that are equally good, "
            f"the best looks up to {number(luck, 3)} better in {escape(primary)} than it is; an interval that holds for all "
            f"looks at once is \u00b1{number(half_width(n, max(k, 1)), 3)} wide. {words}"
        ),
    ]


def _has(measured: Measured, name: str) -> bool:
    return any(m.name == name for m in measured.measures)
