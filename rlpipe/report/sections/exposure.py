"""What the probes can see: AUC and power of every detector against how often planted prompts were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe.contamination.members.power import exposure_rows, power_curve
from rlpipe.contamination.probes.detectors import DETECTORS
from rlpipe.report.blocks import Block, Cell, Column, Figure, Heading, Prose, Table
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, escape, interval, listing, number
from rlpipe.report.sections.probes import Seed, panel, primary

NUMBERS = ("auc", "rise", "power")


def blocks(data: Data, found: Sequence[Seed]) -> list[Block]:
    """How to read it, AUC and power by epochs of exposure, and the numbers; empty where no run was planted."""
    rows = exposure_rows(data.evaluation(name) for _, _, name in found)
    if not rows:
        return []
    seeds, curve = seeds_table(rows), curve_table(power_curve(rows, _confidence(data)))
    order = _order(data, curve)
    made: list[Block] = [Heading("Power against exposure"), Prose(_how_to_read(seeds, curve), "reading")]
    made.append(area_figure(data.colours, seeds, curve, order, primary(data)))
    made.append(power_figure(curve, order, primary(data)))
    return [*made, _table(curve, order, primary(data))]


def _confidence(data: Data) -> float:
    return float(data.section("contamination").get("confidence") or 0.95)


def seeds_table(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    types = {"run": pl.String, "seed": pl.Int64, "epochs": pl.Int64, "exposure": pl.Float64, "method": pl.String}
    types |= {"title": pl.String, "auc": pl.Float64, "lo": pl.Float64, "hi": pl.Float64}
    return pl.DataFrame(rows, schema=types)


def curve_table(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    types: dict[str, Any] = {"method": pl.String, "title": pl.String, "epochs": pl.Int64, "n": pl.Int64}
    types |= {f"{name}{end}": pl.Float64 for name in NUMBERS for end in ("", "_lo", "_hi")}
    return pl.DataFrame(rows, schema=types)


def _order(data: Data, curve: pl.DataFrame) -> list[str]:
    """The detector named in advance, then the others as they are listed everywhere."""
    named = primary(data)
    return [name for name in dict.fromkeys([named, *DETECTORS]) if name in set(curve["method"])]


def _how_to_read(seeds: pl.DataFrame, curve: pl.DataFrame) -> str:
    epochs = [f"{n:,}" for n in sorted(curve["epochs"].unique())]
    few = int(curve["n"].min())  # type: ignore[arg-type]
    twin = (
        "0 epochs is the clean twin, which shares the seed\u2019s choice of prompts and trains on none of them: it must sit at "
        "0.5, and the share of its intervals above 0.5 is the rate of false alarms"
        if "0" in epochs
        else "no clean twin (<code>epochs: 0</code>) is among the runs, so a difference between the planted prompts and "
        "the others cannot be told from training"
    )
    caution = "" if few > 2 else " One or two seeds say little about power: look at the width of the mid-P interval."
    return (
        f"Prompts were planted into training for {listing(epochs, 'or')} epochs. <strong>A detector that sees them rises above "
        f"0.5 from left to right; {twin}.</strong> Intervals of AUC are t intervals over seeds, power is the share of seeds "
        f"whose own interval lies above 0.5.{caution}"
    )


def area_figure(colours: Colours, seeds: pl.DataFrame, curve: pl.DataFrame, order: Sequence[str], named: str) -> Figure:
    values = [*seeds["auc"], *curve["auc_lo"].drop_nulls(), *curve["auc_hi"].drop_nulls()]
    limits = [max(min([0.4, *values]), 0.0), min(max([0.6, *values]), 1.0)]
    return Figure(
        "exposure",
        [area_chart(method, colours, limits) for method in order],
        {"exposure": seeds, "power-curve": curve},
        f"AUC against epochs of exposure, a panel per detector, {_first(order, named)}: a dot "
        "per seed in the colour of its run, the bold line and its "
        "band are the mean over seeds and its t interval; the rule is chance.",
        "Lines of AUC over epochs of exposure with dots per seed and a rule at one half",
        _panels(order),
        columns=5,
    )


def _first(order: Sequence[str], named: str) -> str:
    return "the one named in advance first" if order[0] == named else "none of which was named in advance"


def _panels(order: Sequence[str]) -> list[str]:
    return [panel(name) for name in order]


def _epochs() -> alt.X:
    """Epochs as equal steps: 0, 4, 16 and 64 on a linear axis would leave three of them on one spot."""
    return alt.X("epochs:O", axis=alt.Axis(title="epochs", labelAngle=0))


def area_chart(method: str, colours: Colours, limits: Sequence[float]) -> dict[str, Any]:
    mean = alt.Chart(alt.NamedData("power-curve")).transform_filter(alt.datum.method == method)
    each = alt.Chart(alt.NamedData("exposure")).transform_filter(alt.datum.method == method)
    scale = alt.Scale(domain=list(limits), zero=False)
    y = alt.Y("auc:Q", scale=scale, axis=alt.Axis(title=None, format=".1f", tickCount=4))
    band = mean.transform_filter("datum.auc_lo !== null").mark_area(color="var(--soft)", opacity=0.18, clip=True)
    line = mean.mark_line(color="var(--ink)", strokeWidth=2)
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("seed:Q"), alt.Tooltip("epochs:O"), alt.Tooltip("auc:Q", format=".3f")]
    tooltip += [alt.Tooltip("lo:Q", title="from", format=".3f"), alt.Tooltip("hi:Q", title="to", format=".3f")]
    dots = each.mark_point(filled=True, size=22, opacity=0.9)
    half = mean.transform_aggregate(n="count()").transform_calculate(half="0.5").mark_rule(color="var(--faint)")
    layers = alt.layer(
        half.encode(alt.Y("half:Q", scale=scale)),
        band.encode(_epochs(), alt.Y("auc_lo:Q", scale=scale), alt.Y2("auc_hi:Q")),
        line.encode(_epochs(), y),
        dots.encode(_epochs(), y, colours.color(), tooltip=tooltip, opacity=opacity(0.9, 0.1)),
    )
    return specification(layers.add_params(highlight()), 150)


def power_figure(curve: pl.DataFrame, order: Sequence[str], named: str) -> Figure:
    return Figure(
        "power",
        [power_chart(method) for method in order],
        {"power-curve": curve},
        f"Power against epochs of exposure, {_first(order, named)}: the share "
        "of seeds in which the detector\u2019s interval lies above 0.5, with "
        "the mid-P interval. At 0 epochs there is nothing to see, and what is seen is a false alarm.",
        "Dots of power over epochs of exposure with intervals",
        _panels(order),
        columns=5,
        legend=False,
    )


def power_chart(method: str) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("power-curve")).transform_filter(alt.datum.method == method)
    scale = alt.Scale(domain=[0, 1])
    y = alt.Y("power:Q", scale=scale, axis=alt.Axis(title=None, format="%", tickCount=3))
    tooltip = [alt.Tooltip("epochs:O"), alt.Tooltip("n:Q", title="seeds"), alt.Tooltip("power:Q", format=".0%")]
    bars = base.mark_rule(color="var(--soft)", strokeWidth=1.4).encode(
        _epochs(), alt.Y("power_lo:Q", scale=scale), alt.Y2("power_hi:Q")
    )
    dots = base.mark_point(filled=True, size=40, opacity=1, color="var(--ink)").encode(_epochs(), y, tooltip=tooltip)
    return specification(alt.layer(bars, dots), 110)


def _table(curve: pl.DataFrame, order: Sequence[str], named: str) -> Table:
    body = []
    for method in order:
        for row in curve.filter(pl.col("method") == method).iter_rows(named=True):
            first = "named in advance; " if method == named else ""
            title = Cell(escape(row["title"]), f"{first}{escape(DETECTORS[method].reading)}")
            epochs = Cell(f"{row['epochs']:,}", "clean twin" if row["epochs"] == 0 else "", row["epochs"])
            cells = [title, epochs, Cell(str(row["n"]), sort=row["n"])]
            body.append([*cells, *(_cell(row, name) for name in NUMBERS)])
    columns = [Column("Detector", number=False), Column("Epochs"), Column("Seeds"), Column("AUC")]
    columns += [Column("Rise over the twin", "AUC minus that of the clean twin of the same seed"), Column("Power")]
    caption = "Every detector against exposure: means over seeds with t intervals, and power with mid-P intervals."
    return Table("power", columns, body, caption, curve, folded="Power against exposure, as a table")


def _cell(row: dict[str, Any], name: str) -> Cell:
    value, low, high = row[name], row[f"{name}_lo"], row[f"{name}_hi"]
    if value is None:
        return Cell(NONE, sort="")
    sign = name == "rise"
    dim = name != "power" and low is not None and low <= (0.0 if sign else 0.5) <= high
    return Cell(number(value, 2, sign), interval(low, high, 2, sign), value, "dim" if dim else "")
