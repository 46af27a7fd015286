"""Probes: how well scores tell trained prompts from never-trained ones, under each run and under the warm-up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe import artifacts
from rlpipe.contamination.probes.detector_metrics import ScoreTable, roc_rows
from rlpipe.contamination.probes.detectors import DETECTORS, score_probes
from rlpipe.report.blocks import Block, Cell, Column, Figure, Heading, Prose, Table
from rlpipe.report.charts import Colours, highlight, interval_dots, interval_tooltip, opacity, specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import NONE, count, escape, number, run_name

ALSO_SHOWN = ("greedy_entropy", "accuracy")
LINES = 12  # more seeds than this would hide each other: the first of each run is drawn then
Seed = tuple[str, int, str]  # run, seed, artifact


def blocks(data: Data, found: Sequence[Seed]) -> list[Block]:
    """How to read them, ROC curves, AUC of every detector, and tables; empty where nothing was probed."""
    areas = pl.concat([auc_rows(data, seed) for seed in found])
    curves = _curves(data, drawn(found))
    made: list[Block] = []
    if len(areas) or len(curves):
        made += [Heading("Probes"), Prose(_how_to_read(data, areas, found), "reading")]
    if len(curves):
        made.append(roc_figure(data, curves))
    if len(areas):
        made += [area_figure(data, areas), *area_tables(data, areas)]
    return made


def drawn(found: Sequence[Seed]) -> list[Seed]:
    """The seeds whose ROC curves are drawn."""
    if len(found) <= LINES:
        return list(found)
    first: dict[str, Seed] = {}
    for seed in found:
        first.setdefault(seed[0], seed)
    return list(first.values())


def primary(data: Data) -> str:
    """The detector named in advance."""
    return str(data.section("contamination").get("primary") or "self_critique")


def _curves(data: Data, found: Sequence[Seed]) -> pl.DataFrame:
    """ROC curves from the raw paths: of each seed, and of the warm-up asked about the same prompts."""
    shown, parts = {primary(data), *ALSO_SHOWN}, []
    for run, seed, name in found:
        probes = data.table(name, "probes.parquet", artifacts.PROBES)
        if not len(probes):
            continue
        if "cdd" not in shown:  # the only detector that reads token ids, and the slowest
            probes = probes.with_columns(pl.lit(None, pl.List(pl.Int32)).alias("response_ids"))
        table = ScoreTable.of(score_probes(probes))
        points = pl.DataFrame(roc_rows(table, sorted(probes["model_id"].unique())))
        if not len(points):
            continue
        control = pl.col("model_id").map_elements(_is_control, pl.Boolean)
        points = points.filter(pl.col("method").is_in(sorted(shown))).with_columns(
            pl.when(control).then(pl.lit(WARM_UP)).otherwise(pl.lit(run)).alias("run"),
            pl.lit(f"{run} seed {seed}").alias("line"),
        )
        parts.append(points.with_row_index("order").select("run", "line", "method", "order", "fpr", "tpr"))
    return pl.concat(parts) if parts else pl.DataFrame()


def _is_control(model_id: str) -> bool:
    """The warm-up policy among the probed ones."""
    return model_id in ("sft", WARM_UP, "base")


def roc_figure(data: Data, curves: pl.DataFrame) -> Figure:
    order = [primary(data), *(name for name in ALSO_SHOWN if name != primary(data))]
    methods = [name for name in order if name in set(curves["method"])]
    return Figure(
        "roc",
        [roc_chart(name, data.colours) for name in methods],
        {"roc": curves},
        "ROC curves of three scores for telling trained prompts from never-trained ones, a line per seed (of many "
        "seeds, the first of each run); dashed is the warm-up asked about the same prompts, which has trained on "
        "neither. On the diagonal a score knows nothing.",
        "ROC curves, true positives over false positives, with the diagonal of chance",
        [f"{panel(name)}{' <small>named in advance</small>' if name == order[0] else ''}" for name in methods],
        columns=3,
    )


def panel(method: str) -> str:
    """A detector's name over its panel, with the scores that are suspicious and why."""
    detector = DETECTORS[method]
    return f"{escape(detector.title)} <small>{escape(detector.reading)}</small>"


def roc_chart(method: str, colours: Colours) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("roc")).transform_filter(alt.datum.method == method)
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("fpr:Q", scale=unit, axis=alt.Axis(title="false positives", format="~%", tickCount=4))
    y = alt.Y("tpr:Q", scale=unit, axis=alt.Axis(title=None, format="~%", tickCount=4))
    line = base.mark_line(strokeWidth=1.4).encode(
        x, y, colours.color(), colours.stroke_dash(), detail="line:N", order="order:Q", opacity=opacity(0.8, 0.07)
    )
    chance = (
        alt.Chart(alt.NamedData("roc"))
        .transform_aggregate(n="count()")
        .transform_calculate(zero="0", one="1")
        .mark_rule(color="var(--faint)", strokeWidth=1)
        .encode(alt.X("zero:Q"), alt.Y("zero:Q"), alt.X2("one:Q"), alt.Y2("one:Q"))
    )
    return specification(alt.layer(chance, line).add_params(highlight()), 230)


def auc_rows(data: Data, seed: Seed) -> pl.DataFrame:
    """AUC of every detector under the run and under the control, and their difference, over all benchmarks."""
    run, number_, name = seed
    rows = []
    for row in data.evaluation(name).iter_rows(named=True):
        kind, _, method = row["metric"].rpartition(":")
        if kind not in ("auc", "diff:auc") or row["benchmark"] != "all" or row["split"] not in (None, "train"):
            continue
        info = json.loads(row["info_json"] or "{}")
        what = "difference" if kind == "diff:auc" else "control" if _is_control(row["model_id"]) else "run"
        rows.append(
            {"run": run, "seed": number_, "method": method, "what": what, "value": row["value"]}
            | {"ci_lo": row["ci_lo"], "ci_hi": row["ci_hi"], "prompts": row["n_problems"]}
            | {"exploratory": bool(info.get("exploratory", False))}
        )
    types = {"run": pl.String, "seed": pl.Int64, "method": pl.String, "what": pl.String, "value": pl.Float64}
    types |= {"ci_lo": pl.Float64, "ci_hi": pl.Float64, "prompts": pl.Int64, "exploratory": pl.Boolean}
    return pl.DataFrame(rows, schema=types)


def _how_to_read(data: Data, areas: pl.DataFrame, found: Sequence[Seed]) -> str:
    """What an AUC near one half means here, and for which score the verdict stands."""
    named = DETECTORS[primary(data)].title if primary(data) in DETECTORS else primary(data)
    sizes = areas["prompts"].drop_nulls()
    among = f" over {count(int(sizes.max()), 'prompt')}" if len(sizes) else ""  # type: ignore[arg-type]
    return (
        f"Each detector scores how familiar a prompt looks to the policy; its AUC{among} is the chance that a trained "
        "prompt scores above a never-trained one, or below where low scores are suspicious: above 0.5 always speaks for "
        "training. <strong>0.5 is chance, and for a policy that met each prompt "
        f"{_met(data, found)} chance is an expected answer</strong>. {escape(named)} was named in advance and decides; "
        "the others are looked at too, so some will leave 0.5 by luck. The warm-up has trained on neither kind: where "
        "it is not at 0.5, the prompts differ by more than training, and only the difference counts."
    )


def _met(data: Data, found: Sequence[Seed]) -> str:
    """How often a trained prompt was trained on, over all seeds, as far as it was counted."""
    rows = pl.concat([data.evaluation(name).select("metric", "value") for _, _, name in found])
    times = rows.filter(pl.col("metric") == "exposure")["value"].drop_nulls()
    if not len(times):
        return "a few times"
    low, high = (f"{bound:.1f}".removesuffix(".0") for bound in (times.to_numpy().min(), times.to_numpy().max()))
    return f"{low} times" if low == high else f"{low} to {high} times"


def area_figure(data: Data, areas: pl.DataFrame) -> Figure:
    """Every detector, every seed, and the controls."""
    titles = {d.name: f"{d.title} ({d.suspicious})" for d in DETECTORS.values()}
    rows = areas.filter(pl.col("what") != "difference").with_columns(
        pl.when(pl.col("what") == "control").then(pl.lit(WARM_UP)).otherwise("run").alias("run"),
        pl.col("method").replace(titles).alias("detector"),
    )
    order = [titles[name] for name in titles if titles[name] in set(rows["detector"])]
    return Figure(
        "auc",
        [area_chart(data.colours, order)],
        {"auc": rows.select("detector", "run", "seed", "value", "ci_lo", "ci_hi", "prompts")},
        "AUC of every detector with its interval, a dot per seed; hollow is the warm-up on the same "
        "prompts. In brackets the scores that are suspicious; the table says why.",
        "Dots of AUC by detector with intervals and a line at one half",
    )


def area_chart(colours: Colours, order: Sequence[str]) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("auc"))
    y = alt.Y(
        "detector:N", sort=list(order), axis=alt.Axis(title=None, domain=False, ticks=False, grid=True, labelLimit=170)
    )
    offset = alt.YOffset("run:N", sort=list(colours.slots))
    x = alt.X("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="AUC", format=".1f", tickCount=5, grid=True))
    tooltip = interval_tooltip("detector:N", "run:N", "seed:Q", value="AUC")
    dots = interval_dots(base, colours, (x, y, offset), tooltip, (1.3, 0.35, 0.05), 36, {"strokeWidth": 1.6})
    half = alt.Chart(alt.NamedData("auc")).transform_aggregate(n="count()").transform_calculate(half="0.5")
    chance = half.mark_rule(color="var(--soft)").encode(alt.X("half:Q"))
    height = max(30, min(12 * len(colours.slots), 60)) * len(order)
    return specification(alt.layer(chance, *dots).add_params(highlight()), height)


def area_tables(data: Data, areas: pl.DataFrame) -> list[Table]:
    """The detector named in advance; and, folded, all of them."""
    named = primary(data)
    first = areas.filter(pl.col("method") == named)
    tables = []
    if len(first):
        caption = "The detector named in advance: AUC under the run, under the warm-up, and their difference."
        tables.append(_area_table("auc-named", data, first, caption))
    tables.append(_area_table("auc-all", data, areas, "Every detector.", folded="All detectors, as a table"))
    return tables


def _area_table(name: str, data: Data, areas: pl.DataFrame, caption: str, folded: str = "") -> Table:
    body = []
    for (run, seed, method), part in areas.group_by("run", "seed", "method", maintain_order=True):
        by_kind = {row["what"]: row for row in part.iter_rows(named=True)}
        few = any(row["exploratory"] for row in by_kind.values())
        known = DETECTORS.get(str(method))
        who = Cell(f"{run_name(str(run), data.colours.slots[str(run)])} seed {seed}", sort=f"{run} {seed:>05}")
        cells = [who, Cell(escape(known.title if known else str(method)), "few prompts: exploratory" if few else "")]
        cells.append(Cell(known.suspicious if known else NONE, escape(known.why) if known else ""))
        for kind, neutral in (("run", 0.5), ("control", 0.5), ("difference", 0.0)):
            cells.append(_area_cell(by_kind.get(kind), neutral))
        body.append(cells)
    columns = [Column("Seed", number=False), Column("Detector", number=False)]
    columns += [
        Column("Suspicious", "which scores, and why", number=False, wide=True),
        Column("Run"),
        Column("Warm-up"),
    ]
    return Table(name, [*columns, Column("Run \u2212 warm-up")], body, caption, areas, folded=folded)


def _area_cell(row: dict[str, Any] | None, neutral: float) -> Cell:
    """In grey where the interval holds what chance would give."""
    if row is None or row["value"] is None:
        return Cell(NONE, tone="dim", sort="")
    sign = neutral == 0
    low, high = row["ci_lo"], row["ci_hi"]
    chance = low is not None and high is not None and low <= neutral <= high
    bounds = f"{number(low, 2, sign)} to {number(high, 2, sign)}" if low is not None and high is not None else ""
    return Cell(number(row["value"], 3, sign), bounds, row["value"], "dim" if chance else "")
