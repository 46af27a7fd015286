"""Training, step by step: what the policy earned, how sure it became, and whether the optimisation was sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe.report.blocks import Block, Figure, Prose, Section, absent
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.inputs import Data
from rlpipe.report.markup import listing
from rlpipe.report.sections import collapse

ID, TITLE, SHORT = "curves", "Training curves", "Training curves"
METRICS = {
    "reward": ("Reward", "mean of all rollouts of the step", "~g"),
    "token_entropy": ("Token entropy", "nats per token", "~g"),
    "answer_entropy": ("Answer entropy", "nats, over a group's answers", "~g"),
    "zero_variance_share": ("Zero-variance share", "groups with equal rewards", "%"),
    "response_length": ("Response length", "tokens", "~g"),
    "truncation_rate": ("Truncation", "responses cut off", "~%"),
    "clip_fraction": ("Clip fraction", "tokens with clipped ratio", "~%"),
    "grad_norm": ("Gradient norm", "before it is scaled down", "~g"),
    "logprob_gap_p999": ("Sampler and trainer apart", "p99.9 of |difference| in logprob, nats", ".1~e"),
}
POINTS_PER_CHART = 6000


def build(data: Data) -> Section:
    """Small multiples over training steps, a thin line per seed and a bold one for their mean."""
    frames = {run: data.steps(run) for run in data.runs}
    frames = {run: frame for run, frame in frames.items() if len(frame)}
    if not frames:
        return absent(ID, TITLE, "No training run is among the inputs of this report, so there are no curves.", SHORT)
    rows, rung = curves(frames, data.settings.smooth_steps), collapse.alarms(data, frames)
    marks = collapse.marks(rung)
    shown = [metric for metric in METRICS if rows[metric].drop_nulls().len()]
    seeds = max(len(s) for s in data.seeds.values())
    thin = (
        "Thin lines are seeds, the bold line is their mean"
        if seeds > 1
        else "Every run has one seed, so a line is a single training run"
    )
    figure = Figure(
        "curves",
        [chart(metric, METRICS[metric][2], data.colours, list(frames), marks) for metric in shown],
        {"curves": rows, "alarms": marks},
        f"Per training step, averaged over {data.settings.smooth_steps} steps. {thin}; press a run, or click its "
        "line, to bring it out everywhere. Falling token entropy with a rising zero-variance share means the policy "
        "repeats itself and fewer groups carry a gradient; the last panel shows whether sampler and trainer compute "
        "the same probabilities.",
        "Line chart over training steps, one line per run and seed",
        [f"{METRICS[m][0]} <small>{METRICS[m][1]}</small>" for m in shown],
        columns=3,
    )
    watched: list[Block] = [collapse.sentence(rung), collapse.table(data, rung)] if len(rung) else []
    return Section(ID, TITLE, [*_unequal(frames), figure, *watched], short=SHORT)


def _unequal(frames: dict[str, pl.DataFrame]) -> list[Prose]:
    """A note where runs differ in length: their ends are not comparable then."""
    steps = {run: int(frame["step"].max()) + 1 for run, frame in frames.items()}  # type: ignore[arg-type]
    if len(set(steps.values())) == 1:
        return []
    lengths = listing([f"{run} {n}" for run, n in steps.items()])
    return [Prose(f"The runs differ in length (steps: {lengths}); compare them at equal steps.", "note")]


def curves(frames: dict[str, pl.DataFrame], window: int) -> pl.DataFrame:
    """Centred moving averages by run and seed, thinned out, and their mean over seeds (rows with `seed` null).

    A step at which a seed has no value (no gradient, say) is left out of the averages, not counted as zero.
    """
    lines = sum(frame["seed"].n_unique() + 1 for frame in frames.values())
    longest = max(frame["step"].n_unique() for frame in frames.values())
    every = max(1, -(-longest * lines // POINTS_PER_CHART))
    parts = []
    for run, frame in frames.items():
        metrics = [metric for metric in METRICS if metric in frame.columns]
        smooth = [
            pl.col(metric).cast(pl.Float64).rolling_mean(window, center=True, min_samples=1).over("seed")
            for metric in metrics
        ]
        seeds = frame.sort("seed", "step").select("step", pl.col("seed").cast(pl.Int64), *smooth)
        mean = seeds.group_by("step").agg(pl.col(metrics).mean()).with_columns(pl.lit(None, pl.Int64).alias("seed"))
        parts.append(pl.concat([seeds, mean], how="diagonal").with_columns(pl.lit(run).alias("run")))
    whole = pl.concat(parts, how="diagonal").filter(pl.col("step") % every == 0)
    return whole.select("run", "seed", "step", *(m for m in METRICS if m in whole.columns)).sort(
        "run", "seed", "step", nulls_last=True
    )


def chart(metric: str, format: str, colours: Colours, runs: Sequence[str], marks: pl.DataFrame) -> dict[str, Any]:
    """One panel; the values of all runs at the step under the pointer in a tooltip."""
    base = alt.Chart(alt.NamedData("curves"))
    x = alt.X("step:Q", axis=alt.Axis(title="step", tickCount=5))
    y = alt.Y(f"{metric}:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format=format))
    thin = (
        base.transform_filter("datum.seed !== null")
        .mark_line(strokeWidth=0.8, interpolate="monotone")
        .encode(x, y, colours.color(), detail="seed:N", opacity=opacity(0.45, 0.06))
    )
    bold = (
        base.transform_filter("datum.seed === null")
        .mark_line(strokeWidth=2.2, interpolate="monotone")
        .encode(x, y, colours.color(), colours.stroke_dash(), opacity=opacity())
    )
    near = alt.selection_point(
        name="near", fields=["step"], nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    rule = (
        base.transform_filter("datum.seed === null")
        .transform_pivot("run", value=metric, groupby=["step"])
        .mark_rule(strokeWidth=1, color="var(--faint)")
        .encode(
            alt.X("step:Q"),
            opacity=alt.when(near).then(alt.value(0.6)).otherwise(alt.value(0)),
            tooltip=[alt.Tooltip("step:Q"), *(alt.Tooltip(f"{run}:Q", format=".3~g") for run in runs)],
        )
        .add_params(near)
    )
    alarms = collapse.layers(metric, marks, colours)
    return specification(alt.layer(thin, bold, rule, *alarms).add_params(highlight()), 170)
