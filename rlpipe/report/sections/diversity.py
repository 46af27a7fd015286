"""Diversity: how varied responses and answers are, prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe.report.blocks import Cell, Column, Figure, Prose, Section, Table, absent
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import NONE, number, run_name
from rlpipe.report.measures import Measured

ID, TITLE, SHORT = "diversity", "How varied the answers are", "Diversity"
MEASURES = {
    "token_entropy": "Token entropy <small>nats</small>",
    "answer_entropy": "Answer entropy <small>nats</small>",
    "distinct_correct": "Distinct correct solutions",
    "vendi_q1": "Vendi score <small>effective responses, n-grams</small>",
    "distinct_2": "distinct-2 <small>share of word pairs that differ</small>",
    "self_bleu": "Self-BLEU <small>higher is less varied</small>",
}


def build(data: Data, measured: Measured) -> Section:
    """A panel per measure with a dot per policy, and the numbers."""
    numbers = levels(measured)
    if not len(numbers):
        return absent(ID, TITLE, "No evaluation measured diversity.", SHORT)
    shown = numbers["measure"].unique(maintain_order=True).to_list()
    reading = Prose(
        "Every number is taken within the rollouts of one prompt and then averaged over prompts. Answer entropy "
        "falls by itself as accuracy rises, so read it beside pass@1; <em>distinct correct solutions</em> does not, "
        "and is the one to watch for lost breadth. All of them depend on the number of rollouts and on the sampling "
        "temperature, which are equal here; distinct-2 also falls as responses grow, so read it beside their length.",
        "reading",
    )
    return Section(
        ID,
        TITLE,
        [reading, figure(numbers, shown, data.colours, measured.covered), table(data, measured, numbers)],
        short=SHORT,
    )


def levels(measured: Measured) -> pl.DataFrame:
    """Mean and interval by policy and measure, of the measures that every prompt has under every policy."""
    rows: list[dict[str, Any]] = []
    every = [table for tables in measured.tables.values() for table in tables]
    for name in MEASURES:
        if every and all(name in table.columns and not table[name].null_count() for table in every):
            for policy in measured.policies:
                found = measured.means(policy, [name], bounded=False)[0]
                rows.append(
                    {"run": policy, "measure": name, "value": found.value, "ci_lo": found.low, "ci_hi": found.high}
                )
    types = {"run": pl.String, "measure": pl.String, "value": pl.Float64, "ci_lo": pl.Float64, "ci_hi": pl.Float64}
    return pl.DataFrame(rows, schema=types)


def figure(numbers: pl.DataFrame, shown: Sequence[str], colours: Colours, covered: str) -> Figure:
    return Figure(
        "diversity",
        [chart(name, colours, numbers) for name in shown],
        {"diversity": numbers},
        f"Diversity by policy, with intervals over {covered}; a run\u2019s value is the mean of its seeds.",
        "Dots with intervals, one row per policy",
        [MEASURES[name] for name in shown],
        columns=3,
        legend=False,
    )


def chart(name: str, colours: Colours, numbers: pl.DataFrame) -> dict[str, Any]:
    here = numbers.filter(pl.col("measure") == name)
    base = alt.Chart(alt.NamedData("diversity")).transform_filter(alt.datum.measure == name)
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
    names = numbers["measure"].unique(maintain_order=True).to_list()
    body = []
    for policy in measured.policies:
        by_name = {row["measure"]: row for row in numbers.filter(pl.col("run") == policy).iter_rows(named=True)}
        body.append([Cell(run_name(policy, data.colours.slots[policy])), *(_cell(by_name.get(name)) for name in names)])
    columns = [Column("Policy", number=False), *(Column(MEASURES[name].partition(" <")[0]) for name in names)]
    before = " The first row is the policy before training." if WARM_UP in measured.policies else ""
    return Table("diversity", columns, body, f"Diversity by policy.{before}", numbers, folded="Numbers as a table")


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NONE, sort="")
    bounds = "" if row["ci_lo"] is None else f"{number(row['ci_lo'])}\u2013{number(row['ci_hi'])}"
    return Cell(number(row["value"]), bounds, row["value"])
