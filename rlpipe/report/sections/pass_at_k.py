"""pass@k before and after training, with intervals, and the k from which the warm-up policy is no longer behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Figure, Prose, Section, Table, absent
from rlpipe.report.charts import Colours, highlight, opacity, powers_axis, specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import NONE, number, run_name
from rlpipe.report.measures import Measured
from rlpipe.statistics.crossover import Crossover, crossover, first_k
from rlpipe.statistics.pass_at_k import pass_at_k

ID, TITLE, SHORT = "pass-at-k", "pass@k before and after", "pass@k"


def build(data: Data, measured: Measured) -> Section:
    """All runs over each other, then each with the warm-up and the bands; a table of the crossovers."""
    if not measured.policies:
        return absent(ID, TITLE, "No evaluation is among the inputs of this report.", SHORT)
    curves = curve_rows(measured)
    before = WARM_UP in measured.policies
    crossings = meetings(measured) if before else pl.DataFrame()
    blocks: list[Block] = [figure(measured, data.colours, curves, crossings)]
    if before and measured.runs:
        blocks.append(table(data, measured))
    elif measured.runs:
        blocks.append(Prose("The warm-up policy was not evaluated, so there is no crossover to look for.", "absent"))
    return Section(ID, TITLE, blocks, short=SHORT)


def curve_rows(measured: Measured) -> pl.DataFrame:
    """pass@k with its interval for every policy and power of two."""
    rows = []
    for policy in measured.policies:
        for k, found in zip(measured.ks, measured.means(policy, [f"pass@{k}" for k in measured.ks]), strict=True):
            rows.append({"run": policy, "k": k, "value": found.value, "ci_lo": found.low, "ci_hi": found.high})
    return pl.DataFrame(rows)


def meetings(measured: Measured) -> pl.DataFrame:
    """Where each run's mean curve meets the warm-up's, on every k up to n: the ring in the chart."""
    grid = list(range(1, measured.n + 1))
    base = _mean_curve(measured, WARM_UP, grid)
    rows = []
    for run in measured.runs:
        curve = _mean_curve(measured, run, grid)
        k = first_k(base, curve, grid)
        if k is not None:
            rows.append({"run": run, "k": k, "value": float(curve[k - 1]), "text": f"k* = {k}"})
    return pl.DataFrame(rows, schema={"run": pl.String, "k": pl.Int64, "value": pl.Float64, "text": pl.String})


def _mean_curve(measured: Measured, policy: str, grid: Sequence[int]) -> np.ndarray:
    curves = [pass_at_k(c, measured.n, grid).mean(axis=0) for c in measured.counts(policy)]
    return np.mean(curves, axis=0)


def figure(measured: Measured, colours: Colours, curves: pl.DataFrame, crossings: pl.DataFrame) -> Figure:
    span = limits(curves)
    charts = [chart(measured.ks, colours, list(measured.policies), span, bands=False)]
    panels = ["All policies"]
    if WARM_UP in measured.policies:
        for run in measured.runs:
            met = crossings.filter(pl.col("run") == run)["k"].to_list()
            side = "right" if met and met[0] > measured.n / 2 else "center"
            charts.append(chart(measured.ks, colours, [WARM_UP, run], span, bands=True, side=side))
            panels.append(f"{run} <small>and the warm-up, with intervals</small>")
    data = {"pass-at-k": curves}
    if WARM_UP in measured.policies:
        data["pass-at-k-crossovers"] = crossings
    return Figure(
        "pass-at-k",
        charts,
        data,
        f"Chance that at least one of k rollouts is correct, without bias, from {measured.n} rollouts per prompt; "
        "dashed is the warm-up. Left is what one rollout achieves, right is what the policy can find at all: a "
        "curve that starts higher and ends lower has traded breadth for reliability. A ring marks k*, from where "
        f"the warm-up is ahead for every larger k. Beyond k = {measured.n // 2} the estimate is all or nothing per "
        "prompt.",
        "Line chart of pass@k over k on a logarithmic scale",
        panels,
        columns=2 if len(charts) in (2, 4) else 3 if len(charts) > 2 else 1,
    )


def limits(curves: pl.DataFrame) -> list[float]:
    """One scale for all panels: tenths around every band."""
    low = curves.select(pl.min_horizontal("value", "ci_lo").min()).item()
    high = curves.select(pl.max_horizontal("value", "ci_hi").max()).item()
    return [math.floor(low * 10) / 10, math.ceil(high * 10) / 10]


def chart(
    ks: Sequence[int],
    colours: Colours,
    policies: Sequence[str],
    span: Sequence[float],
    bands: bool,
    side: str = "center",
) -> dict[str, Any]:
    """pass@k of these policies; `side` is how the label of a ring is aligned, so that it stays inside."""
    chosen = alt.FieldOneOfPredicate(field="run", oneOf=list(policies))
    base = alt.Chart(alt.NamedData("pass-at-k")).transform_filter(chosen)
    x = powers_axis(ks, "k")
    scale, axis = alt.Scale(domain=list(span)), alt.Axis(title=None, format="~g")
    y = alt.Y("value:Q", scale=scale, axis=axis)
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("k:Q"), alt.Tooltip("value:Q", title="pass@k", format=".3f")]
    tooltip += [alt.Tooltip("ci_lo:Q", title="from", format=".3f"), alt.Tooltip("ci_hi:Q", title="to", format=".3f")]
    layers: list[Any] = []
    if bands:
        layers.append(
            base.mark_area(opacity=0.16, interpolate="monotone").encode(
                x, alt.Y("ci_lo:Q", scale=scale, axis=axis), alt.Y2("ci_hi:Q"), colours.color()
            )
        )
    line = base.mark_line(strokeWidth=2, interpolate="monotone")
    layers.append(line.encode(x, y, colours.color(), colours.stroke_dash(), opacity=opacity()))
    layers.append(
        base.mark_point(filled=True, size=34, opacity=1).encode(
            x, y, colours.color(), tooltip=tooltip, opacity=opacity()
        )
    )
    if WARM_UP in policies:
        layers += rings(chosen, x, y, colours, side if bands else "")
    return specification(alt.layer(*layers).add_params(highlight()), 230)


def rings(chosen: Any, x: alt.X, y: alt.Y, colours: Colours, side: Any) -> list[Any]:
    """The crossovers with their k, aligned to `side` (left, right); without it, an empty text, where there are many."""
    base = alt.Chart(alt.NamedData("pass-at-k-crossovers")).transform_filter(chosen)
    ring = base.mark_point(size=130, strokeWidth=2, opacity=1, filled=False).encode(
        x, y, colours.color(), tooltip=[alt.Tooltip("run:N"), alt.Tooltip("k:Q", title="k*")], opacity=opacity()
    )
    if not side:
        return [ring]
    # Below the ring: pass@k rises, so no curve runs there.
    text = base.mark_text(align=side, dy=26, color="var(--ink)").encode(x, y, text="text:N", opacity=opacity())
    return [ring, text]


def table(data: Data, measured: Measured) -> Table:
    """k* of every seed with its interval."""
    rows, numbers = [], []
    s = measured.settings
    n, base = measured.n, measured.counts(WARM_UP)[0]
    for run in measured.runs:
        for name, correct in zip(data.names("evaluate", run), measured.counts(run), strict=True):
            seed = int(name.rpartition("-")[2])
            found = crossover(base, correct, n, None, s.confidence, s.bootstrap_draws, s.seed)
            rows.append(_row(f"{run_name(run, data.colours.slots[run])} seed {seed}", found, n))
            numbers.append(
                {"run": run, "seed": seed, "k": found.k, "ci_lo": found.low, "ci_hi": found.high}
                | {"share_crossing": found.share_crossing, "noisy": found.noisy, "gap": found.gap}
            )
    types = {"run": pl.String, "seed": pl.Int64, "k": pl.Int64, "ci_lo": pl.Int64, "ci_hi": pl.Int64}
    return Table(
        "crossover",
        [
            Column("Seed", number=False),
            Column("k*", "Smallest k from which the warm-up is at or above the run for every larger k"),
            Column("Crosses", "Share of resamples of the prompts in which the curves cross at all"),
            Column(
                f"pass@{n} before \u2212 pass@1 after",
                "What could still be gained if training turned breadth into reliability",
            ),
        ],
        rows,
        f"Crossover k* by seed, with intervals over prompts; \u201cnone\u201d means the warm-up is not "
        f"ahead for good at any k up to {n}; curves that only meet do not cross.",
        pl.DataFrame(numbers, schema_overrides=types),
    )


def _row(name: str, found: Crossover, n: int) -> list[Cell]:
    low = str(found.low) if found.low is not None else f"beyond {n}"
    high = str(found.high) if found.high is not None else f"beyond {n}"
    noisy = ", noisy" if found.noisy else ""
    return [
        Cell(name),
        Cell(
            str(found.k) if found.k is not None else "none",
            f"{low} to {high}{noisy}",
            found.k if found.k is not None else n + 1,
        ),
        Cell(f"{100 * found.share_crossing:.0f}\u202f%", sort=found.share_crossing),
        Cell(number(found.gap, 3, sign=True) if found.gap is not None else NONE, sort=found.gap),
    ]
