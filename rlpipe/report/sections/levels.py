"""By task and level: where the gains and losses come from."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from rlpipe.report.blocks import Figure, Section, absent
from rlpipe.report.charts import Colours, highlight, interval_dots, interval_tooltip, specification
from rlpipe.report.inputs import Data
from rlpipe.report.measures import Measured

ID, TITLE, SHORT = "levels", "By task and level", "By task and level"


def build(data: Data, measured: Measured) -> Section:
    """A row per task and level, a dot per policy: pass@1 and pass@k at the largest k."""
    if not measured.runs:
        return absent(ID, TITLE, "No trained policy was evaluated, so there is nothing to break down by task.", SHORT)
    shown = [f"pass@{k}" for k in dict.fromkeys((1, measured.ks[-1]))]
    rows = breakdown(measured, shown)
    tasks = rows["task"].unique(maintain_order=True).to_list()
    figure = Figure(
        "levels",
        [chart(measure, tasks, data.colours) for measure in shown],
        {"levels-by-task": rows},
        "Each row is a task and level, with its number of prompts; the hollow grey dot is the warm-up, filled dots "
        "are runs, and a bar is the interval. A run right of the hollow dot has gained there. Gains often come from "
        "a few levels, and a level can lose while the mean gains; with few prompts in a row its interval is wide.",
        "Dots by task and level, hollow for the warm-up and filled for runs",
        shown,
        columns=2,
    )
    return Section(ID, TITLE, [figure], short=SHORT)


def breakdown(measured: Measured, shown: list[str]) -> pl.DataFrame:
    """Mean and interval of each measure by task, level and policy; tasks with more than one prompt have intervals."""
    prompts, rows = measured.prompts, []
    groups = prompts.select("source", "level").unique().sort("source", "level")
    for source, level in groups.iter_rows():
        inside = ((prompts["source"] == source) & (prompts["level"] == level)).to_numpy()
        task = f"{source.removeprefix('rlpipe/')} {level}".strip()
        for policy in measured.policies:
            for name, found in zip(shown, measured.means(policy, shown, inside=inside), strict=True):
                rows.append(
                    {"task": f"{task} ({int(inside.sum())})", "run": policy, "measure": name, "value": found.value}
                    | {"ci_lo": found.low, "ci_hi": found.high, "prompts": int(inside.sum())}
                )
    return pl.DataFrame(rows)


def chart(measure: str, tasks: list[str], colours: Colours) -> dict[str, Any]:
    """One measure; rows of dots, set apart by policy."""
    policies = list(colours.slots)
    base = alt.Chart(alt.NamedData("levels-by-task")).transform_filter(alt.datum.measure == measure)
    y = alt.Y("task:N", sort=tasks, axis=alt.Axis(title=None, grid=True, domain=False, ticks=False, labelLimit=150))
    offset = alt.YOffset("run:N", sort=policies)
    x = alt.X("value:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title=None, format="~g", grid=True, tickCount=5))
    tooltip = interval_tooltip("task:N", "run:N", value=measure)
    hollow = {"filled": True, "strokeWidth": 1.8}
    layers = interval_dots(base, colours, (x, y, offset), tooltip, (1.5, 0.55, 0.08), 46, hollow)
    row = 14 * len(policies) + 10
    return specification(alt.layer(*layers).add_params(highlight()), min(row, 90) * len(tasks))
