"""Diversity: how varied responses and answers are, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from rlpipe.evaluate.problems import metric
from rlpipe.report.blocks import Cell, Column, Figure, Prose, Section, Table, absent
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.data import WARM_UP, Data
from rlpipe.report.markup import NONE, number, run_name
from rlpipe.report.measures import Measured

ID, TITLE, SHORT = "diversity", "How varied the answers are", "Diversity"
KNOWN = {
    "token_entropy": "Token entropy, nats",
    "answer_entropy": "Answer entropy, nats",
    "distinct_correct": "Distinct correct solutions",
}
# Metrics of an evaluation that speak of diversity, by how their names start; shown where an evaluation has them.
FURTHER = ("vendi", "distinct_1", "distinct_2", "distinct_n", "self_bleu", "ead", "effective_answers")
PANELS = 9


def build(data: Data, measured: Measured) -> Section:
    """A panel per measure with a dot per policy, and the numbers."""
    numbers = levels(data, measured)
    if not len(numbers):
        return absent(ID, TITLE, "No evaluation measured diversity.", SHORT)
    shown = numbers["measure"].unique(maintain_order=True).to_list()[:PANELS]
    reading = Prose(
        "Every number is taken within the rollouts of one prompt and then averaged over prompts. Answer entropy "
        "falls by itself as accuracy rises, so read it beside pass@1; <em>distinct correct solutions</em> does not, "
        "and is the one to watch for lost breadth. All of them depend on the number of rollouts and on the sampling "
        "temperature, which are equal here.",
        "reading",
    )
    return Section(
        ID, TITLE, [reading, figure(numbers, shown, data.colours), table(data, measured, numbers)], short=SHORT
    )


def levels(data: Data, measured: Measured) -> pl.DataFrame:
    """Mean and interval by policy and measure: from the rollouts, and further ones as the evaluations state them."""
    rows: list[dict[str, Any]] = []
    for name, label in KNOWN.items():
        every = [table for tables in measured.tables.values() for table in tables]
        if all(name in table.columns and not table[name].null_count() for table in every):
            for policy in measured.policies:
                found = measured.intervals(measured.values(policy, name), metric(name).bounded)[0]
                rows.append(
                    {"run": policy, "measure": label, "value": found.value, "ci_lo": found.low, "ci_hi": found.high}
                )
    for policy in measured.policies:
        rows += _stated(data, policy)
    types = {"run": pl.String, "measure": pl.String, "value": pl.Float64, "ci_lo": pl.Float64, "ci_hi": pl.Float64}
    return pl.DataFrame(rows, schema=types)


def _stated(data: Data, policy: str) -> list[dict[str, Any]]:
    """Means over seeds of metrics the evaluations hold; with the interval where there is one seed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in data.names("evaluate", policy):
        for row in data.evaluation(name).iter_rows(named=True):
            if row["metric"].startswith(FURTHER) and row["benchmark"] == "all" and row["value"] is not None:
                label = row["metric"] if row["k"] is None else f"{row['metric']} (k = {row['k']})"
                found.setdefault(label, []).append(row)
    return [
        {"run": policy, "measure": label, "value": float(np.mean([row["value"] for row in rows]))}
        | {bound: rows[0][bound] if len(rows) == 1 else None for bound in ("ci_lo", "ci_hi")}
        for label, rows in found.items()
    ]


def figure(numbers: pl.DataFrame, shown: Sequence[str], colours: Colours) -> Figure:
    return Figure(
        "diversity",
        [chart(label, colours, numbers) for label in shown],
        {"diversity": numbers},
        "Diversity by policy, with intervals over prompts; a run\u2019s value is the mean of its seeds.",
        "Dots with intervals, one row per policy",
        shown,
        columns=3,
        legend=False,
    )


def chart(label: str, colours: Colours, numbers: pl.DataFrame) -> dict[str, Any]:
    here = numbers.filter(pl.col("measure") == label)
    base = alt.Chart(alt.NamedData("diversity")).transform_filter(alt.datum.measure == label)
    y = alt.Y(
        "run:N",
        sort=list(colours.slots),
        axis=alt.Axis(title=None, grid=False, domain=False, ticks=False, labelLimit=110),
    )
    x = alt.X(
        "value:Q",
        scale=alt.Scale(zero=False, padding=8),
        axis=alt.Axis(title=None, tickCount=4, format="~g", grid=True),
    )
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("value:Q", format=".3f")]
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        x, y, colours.color(), tooltip=tooltip, opacity=opacity()
    )
    layers: list[Any] = [dots]
    if here["ci_lo"].drop_nulls().len():
        bars = base.mark_rule(strokeWidth=2).encode(
            alt.X("ci_lo:Q", axis=alt.Axis(title=None)), alt.X2("ci_hi:Q"), y, colours.color(), opacity=opacity()
        )
        layers.insert(0, bars)
    return specification(alt.layer(*layers).add_params(highlight()), 26 * here["run"].n_unique() + 28)


def table(data: Data, measured: Measured, numbers: pl.DataFrame) -> Table:
    labels = numbers["measure"].unique(maintain_order=True).to_list()
    body = []
    for policy in measured.policies:
        by_label = {row["measure"]: row for row in numbers.filter(pl.col("run") == policy).iter_rows(named=True)}
        body.append(
            [Cell(run_name(policy, data.colours.slots[policy])), *(_cell(by_label.get(label)) for label in labels)]
        )
    columns = [Column("Policy", number=False), *(Column(label) for label in labels)]
    before = " The first row is the policy before training." if WARM_UP in measured.policies else ""
    return Table("diversity", columns, body, f"Diversity by policy.{before}", numbers, folded="Numbers as a table")


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NONE, sort="")
    bounds = "" if row["ci_lo"] is None else f"{number(row['ci_lo'])}\u2013{number(row['ci_hi'])}"
    return Cell(number(row["value"]), bounds, row["value"])
