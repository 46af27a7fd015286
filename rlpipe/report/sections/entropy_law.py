"""Reward against policy entropy: the law R = -a exp(H) + b, its residuals, and curves that fit as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Figure, Prose, Section, Table, absent
from rlpipe.report.charts import Colours, highlight, opacity, specification
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, escape, interval, listing, number, run_name, significant
from rlpipe.statistics.entropy_law import Law, NoFit, block_means, entropy_law

ID, TITLE, SHORT = "entropy-law", "Reward bought with entropy", "Entropy and reward"
# Methods that say nothing about entropy; the law is claimed for these only.
PLAIN = ("grpo", "dr_grpo", "rloo", "reinforce_pp")
AS_GOOD = 0.02  # of R^2: a difference no reader should build on
LINE_POINTS = 40


def build(data: Data) -> Section:
    """The fit of every seed, the points it rests on, and what else would fit."""
    fits = {(run, seed): fit(data, run, seed) for run in data.runs for seed in data.seeds[run]}
    known = {key: found for key, found in fits.items() if found is not None and len(found[0])}
    if not known:
        return absent(
            ID, TITLE, "No training run is among the inputs of this report, so there is no law to fit.", SHORT
        )
    points = pl.concat([rows(run, seed, *found) for (run, seed), found in known.items()])
    laws = {key: law for key, (_, law) in known.items() if isinstance(law, Law)}
    blocks: list[Block] = [Prose(conclusion(laws))]
    blocks.append(figure(points, line_rows(known), bool(laws), data))
    blocks.append(table(data, known))
    return Section(ID, TITLE, blocks, "Does reward follow entropy down, and how far would it go?", SHORT)


def fit(data: Data, run: str, seed: int) -> tuple[pl.DataFrame, Law | NoFit] | None:
    """Block means of a seed's steps and the law over them; None without steps."""
    frame = data.steps(run)
    frame = frame.filter(pl.col("seed") == seed).sort("step") if len(frame) else frame
    if not len(frame):
        return None
    width = data.settings.smooth_steps
    means = {name: block_means(frame[name].to_numpy(), width) for name in ("step", "token_entropy", "reward")}
    blocks = pl.DataFrame(means)
    law = entropy_law(
        means["token_entropy"],
        means["reward"],
        means["step"],
        intervention=intervention(data.methods(run)),
        seed=data.statistics.seed,
        confidence=data.statistics.confidence,
    )
    return blocks, law


def intervention(methods: Sequence[str]) -> str | None:
    """The first method of a run that is more than a plain estimator; None where there is none."""
    return next((name for name in methods if name not in PLAIN), None)


def rows(run: str, seed: int, blocks: pl.DataFrame, law: Law | NoFit) -> pl.DataFrame:
    """Points with what the law says of them; null where there is no law."""
    entropy = blocks["token_entropy"].to_numpy()
    fitted = law.predict(entropy) if isinstance(law, Law) else np.full(len(blocks), np.nan)
    return blocks.with_columns(
        pl.lit(run).alias("run"), pl.lit(seed).alias("seed"), pl.Series("fitted", fitted).fill_nan(None)
    ).with_columns((pl.col("reward") - pl.col("fitted")).alias("residual"))


def line_rows(known: Mapping[tuple[str, int], tuple[pl.DataFrame, Law | NoFit]]) -> pl.DataFrame:
    """The fitted curves on a grid of entropies."""
    parts = []
    for (run, seed), (blocks, law) in known.items():
        if isinstance(law, Law):
            h = blocks["token_entropy"].to_numpy()
            grid = np.linspace(h.min(), h.max(), LINE_POINTS)
            parts.append(pl.DataFrame({"run": run, "seed": seed, "token_entropy": grid, "fitted": law.predict(grid)}))
    types = {"run": pl.String, "seed": pl.Int64, "token_entropy": pl.Float64, "fitted": pl.Float64}
    return pl.concat([part.cast(types) for part in parts]) if parts else pl.DataFrame(schema=types)  # type: ignore[arg-type]


def conclusion(laws: Mapping[tuple[str, int], Law]) -> str:
    """Whether the law can be told from a straight line in H or the passing of steps."""
    formula = "R = \u2212a\u00b7e<sup>H</sup> + b"
    if not laws:
        return f"The law {formula} was fitted to no run; the table gives the reasons."
    close = [key for key, law in laws.items() if rivals(law)]
    fits = f"The law {formula} fits {len(laws)} {'seed' if len(laws) == 1 else 'seeds'} with R\u00b2 of "
    r2 = sorted(law.r2 for law in laws.values())
    fits += number(r2[0], 2) if len(r2) == 1 else f"{number(r2[0], 2)} to {number(r2[-1], 2)}"
    if not close:
        return f"{fits}, better by {AS_GOOD} or more than a line in H or in log(step) for each of them."
    names = sorted({name for key in close for name in rivals(laws[key])})
    share = "each of them" if len(close) == len(laws) else f"{len(close)} of them"
    return (
        f"{fits}. <strong>It is not identified:</strong> for {share} {listing([escape(n) for n in names], 'or')} "
        f"fits as well (R\u00b2 less than {AS_GOOD} lower, or higher), so these runs do not say that reward is "
        "bought with entropy in this form."
    )


def rivals(law: Law) -> list[str]:
    """Alternatives whose R^2 is as good."""
    return sorted(name for name, r2 in (law.alternatives or {}).items() if r2 > law.r2 - AS_GOOD)


def figure(points: pl.DataFrame, lines: pl.DataFrame, fitted: bool, data: Data) -> Figure:
    width = data.settings.smooth_steps
    charts, panels = [scatter(data.colours)], ["Reward against token entropy <small>nats</small>"]
    if fitted:
        charts.append(residuals(data.colours))
        panels.append("Residual <small>reward minus fit, over steps</small>")
    return Figure(
        "entropy-law",
        charts,
        {"entropy-law": points, "entropy-law-fit": lines},
        f"Each dot is a mean over {width} steps; training moves from right to left. Lines are fits to runs without a "
        "method that acts on entropy. Residuals should scatter around zero: a bow in them means the form is wrong.",
        "Scatter of reward against token entropy with fitted curves",
        panels,
        columns=2,
    )


def scatter(colours: Colours) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("entropy-law"))
    x = alt.X("token_entropy:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="token entropy H, nats", tickCount=6))
    y = alt.Y("reward:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format="~g"))
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("seed:Q"), alt.Tooltip("step:Q", format=".0f")]
    tooltip += [alt.Tooltip("token_entropy:Q", title="H", format=".3f"), alt.Tooltip("reward:Q", format=".3f")]
    dots = base.mark_point(filled=True, size=30).encode(
        x, y, colours.color(), tooltip=tooltip, opacity=opacity(0.65, 0.06)
    )
    line = (
        alt.Chart(alt.NamedData("entropy-law-fit"))
        .mark_line(strokeWidth=2)
        .encode(x, alt.Y("fitted:Q", axis=alt.Axis(title=None)), colours.color(), detail="seed:N", opacity=opacity())
    )
    return specification(alt.layer(dots, line).add_params(highlight()), 260)


def residuals(colours: Colours) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("entropy-law")).transform_filter("isValid(datum.residual)")
    x = alt.X("step:Q", axis=alt.Axis(title="step", tickCount=5))
    y = alt.Y("residual:Q", axis=alt.Axis(title=None, format="+~g"))
    line = base.mark_line(strokeWidth=1.2).encode(x, y, colours.color(), detail="seed:N", opacity=opacity(0.8, 0.06))
    dots = base.mark_point(filled=True, size=22).encode(x, y, colours.color(), opacity=opacity(0.8, 0.06))
    zero = alt.Chart(alt.NamedData("entropy-law")).transform_aggregate(n="count()").transform_calculate(zero="0")
    rule = zero.mark_rule(color="var(--soft)").encode(alt.Y("zero:Q", axis=alt.Axis(title=None)))
    return specification(alt.layer(rule, line, dots).add_params(highlight()), 260)


def table(data: Data, known: Mapping[tuple[str, int], tuple[pl.DataFrame, Law | NoFit]]) -> Table:
    """Coefficients, fit and forecast of every seed, or why there is none."""
    body, numbers = [], []
    refused: dict[str, list[str]] = {}
    for (run, seed), (_, law) in known.items():
        name = Cell(f"{run_name(run, data.colours.slots[run])} seed {seed}", sort=f"{run} {seed:05d}")
        entry: dict[str, Any] = {"run": run, "seed": seed}
        if isinstance(law, NoFit):
            body.append([name, Cell("no fit", tone="dim"), *(Cell(NONE, tone="dim") for _ in range(6))])
            refused.setdefault(law.reason, []).append(f"{run} seed {seed}")
            numbers.append(entry | {"reason": law.reason})
            continue
        others = law.alternatives or {}
        body.append([name, *_cells(law, others)])
        ahead = law.forecast
        numbers.append(
            entry
            | {"a": law.a, "b": law.b, "ceiling": law.ceiling, "r2": law.r2, "rmse": law.rmse, "points": law.num_steps}
            | {f"r2 {other}": r2 for other, r2 in others.items()}
            | {"forecast_rmse": ahead.rmse if ahead else None, "reason": None}
        )
    columns = [
        Column("Seed", number=False),
        Column("a"),
        Column("b"),
        Column("b \u2212 a", "Reward the law predicts at zero entropy"),
        Column("R\u00b2"),
        Column("R\u00b2, line in H", "The same for R = c H + d"),
        Column("R\u00b2, log(step)", "The same for R = c log(1 + step) + d"),
        Column("Forecast error", "RMSE on the later two thirds of a fit on the first third, in reward"),
    ]
    caption = "The law by seed; bootstrap intervals over points, too narrow as neighbouring steps depend on each other."
    caption += "".join(f" No fit for {listing(names)}: {escape(reason)}." for reason, names in refused.items())
    return Table("entropy-law-fits", columns, body, caption, _frame(numbers))


def _cells(law: Law, others: Mapping[str, float]) -> Sequence[Cell]:
    def bounds(found: tuple[float, float] | None) -> str:
        return interval(*found, 2) if found else ""

    return [
        Cell(number(law.a, 3), bounds(law.a_interval), law.a),
        Cell(number(law.b, 3), bounds(law.b_interval), law.b),
        Cell(number(law.ceiling, 3), sort=law.ceiling),
        Cell(number(law.r2, 3), f"RMSE {significant(law.rmse)}", law.r2),
        Cell(number(others.get("linear in H"), 3), sort=others.get("linear in H", "")),
        Cell(number(others.get("log(step)"), 3), sort=others.get("log(step)", "")),
        Cell(significant(law.forecast.rmse) if law.forecast else NONE, sort=law.forecast.rmse if law.forecast else ""),
    ]


def _frame(numbers: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    names = list(dict.fromkeys(name for row in numbers for name in row))
    return pl.DataFrame([{name: row.get(name) for name in names} for row in numbers], infer_schema_length=None)
