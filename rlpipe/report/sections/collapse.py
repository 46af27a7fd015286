"""The collapse alarm on the training curves of every run: where it rang, and how often it would by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from rlpipe.report.blocks import Cell, Column, Prose, Table
from rlpipe.report.charts import Colours, opacity
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, count, escape, listing, run_name
from rlpipe.statistics.reliability.early_warning import BEFORE, FEWEST, WINDOW, Alarm, watch

WATCHED = {"token_entropy": "token entropy", "reward": "reward", "grad_norm": "gradient norm"}
SLOWING, SPIKES = "slowing down", "spikes"
SHORTEST = int(FEWEST / WINDOW)
TYPES: dict[str, Any] = {"run": pl.String, "seed": pl.Int64, "metric": pl.String, "rule": pl.String, "looks": pl.Int64}
TYPES |= {"computable": pl.Boolean, "rang": pl.List(pl.Int64), "false_alarms": pl.Float64}


def alarms(data: Data, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """A row per run, seed, series and rule: the steps at which it rang, and its rate of false alarms, by surrogates."""
    rows = []
    for run, frame in frames.items():
        starts = changes(data, run, int(frame["step"].max()) + 1)  # type: ignore[arg-type]
        for (seed,), part in frame.sort("seed", "step").group_by("seed", maintain_order=True):
            for metric in WATCHED:
                if metric in part.columns and len(known := part.drop_nulls(metric)):
                    steps = known["step"].to_list()
                    found = watch(known[metric].to_numpy(), [sum(s < start for s in steps) for start in starts])
                    rows += [{"run": run, "seed": seed, "metric": metric, **r} for r in _rows(found, steps)]
    return pl.DataFrame(rows, schema=TYPES)


def _rows(found: Alarm, steps: list[int]) -> list[dict[str, Any]]:
    """Both rules; the step an alarm is drawn at is the last one it has seen."""
    slow, spiky = found.looks > 0, found.spikes_looked
    return [
        {"rule": SLOWING, "looks": found.looks, "computable": slow, "rang": [steps[n - 1] for n in found.rang]}
        | {"false_alarms": found.chance if slow else None},
        {"rule": SPIKES, "looks": None, "computable": spiky, "rang": [steps[n - 1] for n in found.spikes]}
        | {"false_alarms": found.spikes_chance if spiky else None},
    ]


def changes(data: Data, run: str, steps: int) -> list[int]:
    """Steps at which another phase starts or the learning rate has stopped rising."""
    settings = data.run_settings(run)
    ends = [phase.get("until") for phase in settings.get("phases") or []]
    train = {**data.section("train"), **(settings.get("train") or {})}
    return [int(train.get("warmup_steps") or 0), *(round(end * steps) for end in ends if end)]


def marks(found: pl.DataFrame) -> pl.DataFrame:
    """A row per alarm to be drawn; of spikes the first of each seed, as they come in rows."""
    drawn = found.with_columns(
        pl.when(pl.col("rule") == SPIKES).then(pl.col("rang").list.head(1)).otherwise("rang").alias("step")
    )
    return drawn.explode("step").drop_nulls("step").select("run", "seed", "metric", "rule", "step", "false_alarms")


def layers(metric: str, drawn: pl.DataFrame, colours: Colours) -> list[Any]:
    """Triangles along the top of a metric's panel, filled where it slowed down, hollow where it spiked; none if neither."""
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("seed:Q"), alt.Tooltip("rule:N"), alt.Tooltip("step:Q")]
    tooltip.append(alt.Tooltip("false_alarms:Q", title="false alarms", format=".1%"))
    own = alt.Chart(alt.NamedData("alarms")).transform_filter(alt.datum.metric == metric)
    looks: dict[str, tuple[dict[str, Any], Any]] = {
        SLOWING: ({"size": 45, "filled": True}, colours.color()),
        SPIKES: ({"size": 30}, colours.stroke()),
    }
    made = []
    for (rule,), _ in drawn.filter(pl.col("metric") == metric).group_by("rule", maintain_order=True):
        look, colour = looks[str(rule)]
        marked = own.transform_filter(alt.datum.rule == rule).mark_point(shape="triangle-down", **look)
        made.append(marked.encode(alt.X("step:Q"), alt.YValue(5), colour, tooltip=tooltip, opacity=opacity()))
    return made


def sentence(found: pl.DataFrame) -> Prose:
    """How many seeds it rang for, and for how many it would have without any slowing down."""
    slow = found.filter((pl.col("rule") == SLOWING) & pl.col("computable"))
    rule = (
        "The collapse alarm looks every 20 steps (at most ten times) whether fluctuations of token entropy, reward or gradient "
        "norm slow down and grow: lag-1 autocorrelation and variance both rise by more than surrogates without a trend do. "
        "It is exploratory: many collapses do not slow down first."
    )
    if not len(slow):
        return Prose(f"{rule} Not computable here: a series needs {SHORTEST} steps that vary.", "note")
    rang = slow.filter(pl.col("rang").list.len() > 0)
    of = f"{len(rang)} of {count(len(slow), 'series', 'series')}"
    by_chance = float(slow["false_alarms"].sum())
    where = [
        f"{r['run']} seed {r['seed']} ({WATCHED[r['metric']]}, step {r['rang'][0]})" for r in rang.iter_rows(named=True)
    ]
    named = f": {escape(listing(where[:6]))}{' and others' if len(where) > 6 else ''}" if where else ""
    return Prose(
        f"{rule} <strong>It rings in {of}{named}</strong>; series of their length and autocorrelation without any trend would "
        f"ring in {by_chance:.1f}. Filled triangles mark it on the curves, hollow ones the first spike (above the median of "
        f"the {BEFORE} steps before by 6 median absolute deviations, twice in 5 steps).",
        "note",
    )


def table(data: Data, found: pl.DataFrame) -> Table:
    """A row per run, seed and series."""
    body = []
    for (run, seed, metric), part in found.group_by("run", "seed", "metric", maintain_order=True):
        who = f"{run_name(str(run), data.colours.slots[str(run)])} seed {seed}"
        cells = [Cell(who, sort=f"{run} {seed:>05}"), Cell(WATCHED[str(metric)])]
        for rule in (SLOWING, SPIKES):
            cells += _cells(part.row(by_predicate=pl.col("rule") == rule, named=True))
        body.append(cells)
    columns = [
        Column("Seed", number=False),
        Column("Series", number=False),
        Column("Slowing down", "first step it rang at"),
    ]
    columns += [Column("False alarms", "share of 199 series of the same length and autocorrelation, without any trend")]
    columns += [Column("Spikes", "first step it rang at"), Column("False alarms", "the same, for the rule of spikes")]
    caption = (
        "The collapse alarm and the plain rule of spikes beside it: the first step at which each rang, and the share of series "
        "with nothing to find for which it rings at some step."
    )
    return Table("collapse-alarm", columns, body, caption, found, folded="The collapse alarm, as a table")


def _cells(row: dict[str, Any]) -> list[Cell]:
    if not row["computable"]:
        least = SHORTEST if row["rule"] == SLOWING else BEFORE + 1
        return [
            Cell(NONE, f"not computable: needs {least} steps that vary", "", "dim"),
            Cell(NONE, tone="dim", sort=""),
        ]
    rang, chance = row["rang"], row["false_alarms"]
    first = (
        Cell(f"step {rang[0]}", f"{len(rang)} times" if len(rang) > 1 else "", rang[0], "mark")
        if rang
        else Cell("silent")
    )
    return [first, Cell(f"{chance:.1%}", sort=chance)]
