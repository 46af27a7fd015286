"""Misevolution watch: behaviour on a frozen set of prompts, at every checkpoint, against the policy before training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Figure, Heading, Prose, Table
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, count, escape, listing, number, run_name
from rlpipe.report.sections.probes import Seed

TYPES = {"run": pl.String, "seed": pl.Int64, "step": pl.Int64, "metric": pl.String, "state": pl.String}
TYPES |= dict.fromkeys(("rise", "lower", "upper", "tolerance", "before"), pl.Float64)
ROOM = 0.5  # share of the frozen prompts that the warm-up must handle for a rise to be seen
TONES = {"stable": "up", "drifted": "down"}


def blocks(data: Data, found: Sequence[Seed]) -> list[Block]:
    """Where the alarm rang, a curve with its line where there are checkpoints on the way, and the numbers."""
    rows = looks(data, found)
    if not len(rows):
        return []
    made: list[Block] = [Heading("Drift"), Prose(_how_to_read(rows), "reading")]
    watched = rows.drop_nulls("step").group_by("run", "seed").len().filter(pl.col("len") > 1)
    if len(watched):
        made.append(figure(data.colours, curve(rows)))
    return [*made, table(data, rows)]


def looks(data: Data, found: Sequence[Seed]) -> pl.DataFrame:
    """A row per seed and checkpoint: rise in cost over the warm-up, its one-sided bounds, and what the alarm says."""
    rows = []
    for run, seed, name in found:
        for row in data.evaluation(name).filter(pl.col("metric").str.starts_with("drift")).iter_rows(named=True):
            info = json.loads(row["info_json"] or "{}")
            place = {"run": run, "seed": seed, "step": row["policy_step"], "metric": row["metric"]}
            bounds = {"rise": row["value"], "lower": row["ci_lo"], "upper": row["ci_hi"]}
            facts = {"state": info.get("state", "unknown"), "tolerance": info.get("tolerance")}
            rows.append({**place, **bounds, **facts, "before": info.get("cost_before")})
    return pl.DataFrame(rows, schema=TYPES).fill_nan(None)


def _how_to_read(rows: pl.DataFrame) -> str:
    """The rule, and where it rang."""
    tolerances = sorted({f"{t:g}" for t in rows["tolerance"].drop_nulls()})
    within = f" of {listing(tolerances, 'or')}" if tolerances else ""
    ringing = rows.filter(pl.col("state") != "stable")
    seeds = [
        f"{run} seed {seed}" for run, seed in ringing.select("run", "seed").unique(maintain_order=True).iter_rows()
    ]
    rang = (
        f"It rings at {len(ringing)} of {count(len(rows), 'checkpoint')}: {escape(listing(seeds))}."
        if seeds
        else f"It is silent at {'the one checkpoint' if len(rows) == 1 else f'all {len(rows)} checkpoints'}."
    )
    high = rows["before"].max()
    blind = (
        " The warm-up already fails most of the set, which leaves little room to get worse: the watch sees little here."
        if isinstance(high, float) and high > 1 - ROOM
        else ""
    )
    return (
        "Did behaviour outside the reward get worse? Cost (0 right, 1 wrong) on a frozen set of prompts, the run minus the "
        "warm-up. <strong>The alarm is silent only where the upper bound of the rise is within the tolerance"
        f"{within}</strong>: <em>not shown stable</em> is an alarm too, and <em>drifted</em> means that even the lower bound "
        f"is above it. The checkpoints of a seed share the chance of a miss. {rang}{blind}"
    )


def curve(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a step, each seed starting at 0, where the policy is the warm-up itself."""
    known = rows.drop_nulls("step")
    start = known.group_by("run", "seed", "metric", maintain_order=True).agg(pl.col("tolerance", "before").first())
    zero = [pl.lit(0, pl.Int64).alias("step"), pl.lit("stable").alias("state")]
    zero += [pl.lit(0.0).alias(name) for name in ("rise", "lower", "upper")]
    return pl.concat([known, start.with_columns(zero).select(known.columns)]).sort("run", "seed", "metric", "step")


def figure(colours: Colours, rows: pl.DataFrame) -> Figure:
    runs = [run for run in colours.slots if run in set(rows["run"])]
    values = [v for name in ("lower", "upper", "tolerance") for v in rows[name].drop_nulls()]
    limits = [min([*values, 0.0]), max([*values, 0.0])]
    return Figure(
        "watch",
        [chart(run, colours, limits) for run in runs],
        {"watch": rows},
        "Rise in cost over the warm-up at the checkpoints kept on the way, a line per seed with its bounds; the dashed line "
        "is the tolerance. <strong>The alarm rings where the upper end of a bar lies above the dashed line.</strong>",
        "Lines of the rise in cost over training steps with bounds and a dashed alarm line",
        runs,
        columns=3,
    )


def chart(run: str, colours: Colours, limits: Sequence[float]) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("watch")).transform_filter(alt.datum.run == run)
    scale = alt.Scale(domain=list(limits), nice=True)
    x = alt.X("step:Q", axis=alt.Axis(title="step", tickCount=5))
    y = alt.Y("rise:Q", scale=scale, axis=alt.Axis(title=None, format="+.2f", tickCount=5))
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("seed:Q"), alt.Tooltip("step:Q"), alt.Tooltip("state:N")]
    tooltip += [alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("rise", "lower", "upper")]
    bars = base.mark_rule(strokeWidth=1.4).encode(
        x, alt.Y("lower:Q", scale=scale), alt.Y2("upper:Q"), colours.color(), opacity=opacity(0.45, 0.06)
    )
    line = base.mark_line(strokeWidth=1.6).encode(x, y, colours.color(), detail="seed:N", opacity=opacity(0.9, 0.08))
    dots = base.mark_point(filled=True, size=28).encode(x, y, colours.color(), tooltip=tooltip, opacity=opacity())
    alarm = (
        base.transform_aggregate(tolerance="max(tolerance)")
        .mark_rule(strokeDash=[5, 3], color="var(--ink)", strokeWidth=1.4)
        .encode(alt.Y("tolerance:Q", scale=scale))
    )
    return specification(alt.layer(bars, line, dots, alarm).add_params(highlight()), 170)


def table(data: Data, rows: pl.DataFrame) -> Table:
    body = []
    for row in rows.iter_rows(named=True):
        step = row["step"]
        cells = [Cell(f"{run_name(row['run'], data.colours.slots[row['run']])} seed {row['seed']}")]
        cells += [Cell(NONE if step is None else f"{step:,}", sort="" if step is None else step)]
        cells += [Cell(escape(row["metric"])), Cell(escape(row["state"]), tone=TONES.get(row["state"], "mark"))]
        cells.append(Cell(number(row["before"]), sort=row["before"]))
        cells += [Cell(number(row[name], 3, sign=True), sort=row[name]) for name in ("rise", "lower", "upper")]
        body.append(cells)
    columns = [
        Column("Seed", number=False),
        Column("Step"),
        Column("Watch", number=False),
        Column("State", number=False),
    ]
    columns += [
        Column("Cost before", "Of the warm-up; where it is near 1 no policy can do worse, and the watch sees nothing")
    ]
    columns += [Column("Rise in cost"), Column("Lower bound"), Column("Upper bound")]
    caption = "The misevolution watch, checkpoint by checkpoint; bounds are those of the one-sided test."
    quiet = set(rows["state"]) == {"stable"}
    return Table("drift", columns, body, caption, rows, folded="Every checkpoint, as a table" if quiet else "")
