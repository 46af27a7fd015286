"""Which prompts each policy can solve at all: kept, gained, lost or never, and what the rollouts cannot see."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from rlpipe.evaluate.compare.before_after import support_table
from rlpipe.report.blocks import Cell, Column, Figure, Prose, Section, Table, absent
from rlpipe.report.charts import specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import NONE, escape, number, run_name
from rlpipe.report.measures import Measured

ID, TITLE, SHORT = "support", "What can be solved at all", "Support"
PARTS = {"preserved": "kept", "shrunk": "lost", "expanded": "gained", "out": "never"}
COLOURS = {"kept": "var(--heat-4)", "lost": "var(--bad)", "gained": "var(--good)", "never": "var(--rule)"}
SUBSETS = {"all": "all rollouts", "half": "half of them", "control": "control"}


def build(data: Data, measured: Measured) -> Section:
    """A bar per seed with the control, and the rates."""
    if WARM_UP not in measured.policies or not measured.runs:
        why = "Support compares a trained policy with the warm-up; one of them was not evaluated."
        return absent(ID, TITLE, why, SHORT)
    if any(len({int(n) for n in table["n"]}) > 1 for tables in measured.tables.values() for table in tables):
        return absent(ID, TITLE, "The prompts differ in their number of rollouts, so support would not compare.", SHORT)
    numbers = support(data, measured)
    floor = float(numbers.filter(pl.col("subset") == "all")["detection_floor"][0])
    reading = Prose(
        f"A prompt is solved if at least one of {measured.n} rollouts is correct. <em>Lost</em> means below what "
        f"that many rollouts can see, a chance of about {number(floor, 3)}, not zero. Some prompts change sides by "
        "luck alone: the control sets half of the warm-up\u2019s rollouts against the other half, so compare it "
        "with the row <em>half of them</em>, and take a difference seriously only where it is clearly larger than "
        "the control\u2019s.",
        "reading",
    )
    return Section(ID, TITLE, [reading, figure(numbers), table(data, numbers)], short=SHORT)


def support(data: Data, measured: Measured) -> pl.DataFrame:
    """`support_table` of every seed against the warm-up; the control of the warm-up against itself once."""
    base = data.path(data.names("evaluate", WARM_UP)[0], "samples.parquet")
    rows: list[dict[str, Any]] = []
    for run in measured.runs:
        for name in data.names("evaluate", run):
            trained = data.path(name, "samples.parquet")
            assert base is not None
            assert trained is not None
            for row in support_table(base, trained):
                control = row["subset"] == "control"
                if not control or not any(r["subset"] == "control" and r["at_least"] == row["at_least"] for r in rows):
                    who = (
                        {"run": WARM_UP, "seed": None}
                        if control
                        else {"run": run, "seed": int(name.rpartition("-")[2])}
                    )
                    rows.append({**who, **row})
    return pl.DataFrame(rows, infer_schema_length=None)


def figure(numbers: pl.DataFrame) -> Figure:
    """All rollouts; and half of them with the control, which compare like with like."""
    once = numbers.filter(pl.col("at_least") == 1)
    rows = [
        {
            "row": _label(r),
            "subset": "all" if r["subset"] == "all" else "half",
            "part": word,
            "order": i,
            "prompts": r[part],
        }
        for r in once.sort(pl.col("subset") != "control", maintain_order=True).iter_rows(named=True)
        for i, (part, word) in enumerate(PARTS.items())
    ]
    k = {subset: int(once.filter(pl.col("subset") == subset)["k"][0]) for subset in ("all", "half")}
    labels = {s: list(dict.fromkeys(r["row"] for r in rows if r["subset"] == s)) for s in k}
    total = sum(r["prompts"] for r in rows if r["row"] == labels["all"][0] and r["subset"] == "all")
    return Figure(
        "support",
        [chart(subset, order, round(total)) for subset, order in labels.items()],
        {"support-bars": pl.DataFrame(rows)},
        "Prompts that both policies solve (kept), only the warm-up (lost), only the run (gained), or neither (never).",
        "Stacked bars of prompts kept, lost, gained and never solved, one bar per seed",
        [f"All {k['all']} rollouts", f"{k['half']} of them <small>mean over subsets, with the control</small>"],
        columns=2,
        legend=False,
    )


def _label(row: dict[str, Any]) -> str:
    return "control" if row["subset"] == "control" else f"{row['run']} {row['seed']}"


def chart(subset: str, order: list[str], total: int) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("support-bars")).transform_filter(alt.datum.subset == subset)
    bars = base.mark_bar(height=15).encode(
        alt.X(
            "prompts:Q",
            stack="zero",
            scale=alt.Scale(domain=[0, total], nice=False),
            axis=alt.Axis(title="prompts", grid=False, tickCount=5),
        ),
        alt.Y("row:N", sort=order, axis=alt.Axis(title=None, domain=False, ticks=False, labelLimit=150, grid=False)),
        alt.Color(
            "part:N",
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
            legend=alt.Legend(orient="top", title=None, symbolType="square"),
        ),
        alt.Order("order:Q"),
        tooltip=[alt.Tooltip("row:N"), alt.Tooltip("part:N"), alt.Tooltip("prompts:Q", format=".1f")],
    )
    return specification(bars, 24 * len(order) + 30)


def table(data: Data, numbers: pl.DataFrame) -> Table:
    body = []
    for row in numbers.iter_rows(named=True):
        slot = data.colours.slots[row["run"]]
        name = f"{run_name(row['run'], slot)}{'' if row['seed'] is None else ' seed ' + str(row['seed'])}"
        hits = "1 hit" if row["at_least"] == 1 else f"{row['at_least']} hits"
        cells = [Cell(name, sort=f"{row['run']} {row['seed']}"), Cell(escape(SUBSETS[row["subset"]])), Cell(hits)]
        cells += [Cell(number(row[part], 0 if row["subset"] == "all" else 1), sort=row[part]) for part in PARTS]
        cells += [
            Cell(
                number(row[rate], 3) if row[rate] is not None else NONE, sort=row[rate] if row[rate] is not None else ""
            )
            for rate in ("retention", "discovery", "net_change")
        ]
        spread = f"\u00b1 {number(row['net_sd'], 1)}" if row["net_sd"] is not None else ""
        body.append([*cells, Cell(number(row["detection_floor"], 3), spread)])
    columns = [Column("Policy", number=False), Column("Rollouts", number=False), Column("Solved from", number=False)]
    columns += [Column(word.capitalize()) for word in PARTS.values()]
    columns += [
        Column("Retention", "Kept over kept and lost (SRR)"),
        Column("Discovery", "Gained over kept and gained (NDR)"),
        Column("Net change", "Gained minus lost, over all solved by either (NSCR)"),
        Column(
            "Floor",
            "Success chance that this many misses leave possible; of the control, the spread of gained minus lost",
        ),
    ]
    return Table(
        "support", columns, body, "Support of every seed against the warm-up.", numbers, folded="Counts and rates"
    )
