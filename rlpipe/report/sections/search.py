"""Search at inference: what picking among k rollouts achieves, against what is among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe.evaluate.problems import SCORER
from rlpipe.report.blocks import Figure, Prose, Section, absent
from rlpipe.report.charts import Colours, powers_axis, specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.measures import Measured

ID, TITLE, SHORT = "search", "Picking one of k rollouts", "Picking"
STRATEGIES = {"pass": "any correct", "majority": "majority", "best_of": "likeliest"}


def build(data: Data, measured: Measured) -> Section:
    """A panel per policy with a line per strategy."""
    rows = strategies(measured)
    if rows["strategy"].n_unique() < 2:
        return absent(ID, TITLE, "No evaluation holds answers or likelihoods to pick by.", SHORT)
    reading = Prose(
        "The top line says whether a correct response is among k rollouts at all; the others pick one without "
        f"knowing the answer, by majority vote or by {SCORER}. A gap between them is failed selection, a falling top "
        "line is lost diversity; all strategies at one k cost the same rollouts.",
        "reading",
    )
    return Section(ID, TITLE, [reading, figure(rows, measured, data.colours)], short=SHORT)


def strategies(measured: Measured) -> pl.DataFrame:
    """Mean by policy, strategy and k, with intervals; strategies every evaluation has."""
    every = [table for tables in measured.tables.values() for table in tables]
    rows: list[dict[str, Any]] = []
    for strategy, label in STRATEGIES.items():
        for k in measured.ks:
            name = f"{strategy}@{k}"
            if every and all(name in table.columns and not table[name].null_count() for table in every):
                for policy in measured.policies:
                    found = measured.means(policy, [name])[0]
                    rows.append({"run": policy, "strategy": label, "k": k, "value": found.value})
                    rows[-1] |= {"ci_lo": found.low, "ci_hi": found.high}
    types = {"run": pl.String, "strategy": pl.String, "k": pl.Int64, "value": pl.Float64, "ci_lo": pl.Float64}
    return pl.DataFrame(rows, schema=types | {"ci_hi": pl.Float64})


def figure(rows: pl.DataFrame, measured: Measured, colours: Colours) -> Figure:
    top = float(rows["value"].max() or 1)  # type: ignore[arg-type]
    return Figure(
        "search",
        [chart(policy, measured.ks, colours, top) for policy in measured.policies],
        {"search": rows},
        f"Solid: any of k is correct. Dashed: the majority of k. Dotted: the likeliest of k. {measured.n} rollouts "
        "per prompt; a run is the mean of its seeds.",
        "Lines of success over k by strategy",
        [policy if policy != WARM_UP else f"{policy} <small>before training</small>" for policy in measured.policies],
        columns=2 if len(measured.policies) in (2, 4) else 3,
        legend=False,
    )


def chart(policy: str, ks: Sequence[int], colours: Colours, top: float) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("search")).transform_filter(alt.datum.run == policy)
    x = powers_axis(ks, "k")
    y = alt.Y("value:Q", scale=alt.Scale(domain=[0, top]), axis=alt.Axis(title=None, format="~g"))
    labels = list(STRATEGIES.values())
    dash = alt.StrokeDash("strategy:N", scale=alt.Scale(domain=labels, range=[[1, 0], [6, 3], [2, 2]]), legend=None)
    tooltip = [alt.Tooltip("strategy:N"), alt.Tooltip("k:Q"), alt.Tooltip("value:Q", format=".3f")]
    tooltip += [alt.Tooltip("ci_lo:Q", title="from", format=".3f"), alt.Tooltip("ci_hi:Q", title="to", format=".3f")]
    line = base.mark_line(strokeWidth=2, interpolate="monotone").encode(x, y, colours.color(), dash)
    dots = base.mark_point(filled=True, size=26, opacity=1).encode(x, y, colours.color(), tooltip=tooltip)
    return specification(alt.layer(line, dots), 190)
