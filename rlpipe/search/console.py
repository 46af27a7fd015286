"""What a search found, for the console: a line per method, a column per budget; below, what each has over the references."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rlpipe.evaluate.metric_row import ALL, Row
from rlpipe.search.settings import ORACLE, REFERENCES, SearchStageSettings


def show(rows: Sequence[Row], settings: SearchStageSettings, console: Console | None = None) -> None:
    """Print the two tables."""
    console = console or Console()
    own = [row for row in rows if row["benchmark"] == ALL]
    console.print(accuracy_table(own, settings))
    console.print(difference_table(own, settings))
    if settings.scorer == ORACLE:
        console.print("The scorer is the verifier, which knows the answers: an upper bound, no method one could use.")


def accuracy_table(rows: Sequence[Row], settings: SearchStageSettings) -> Table:
    """Accuracy with interval and tokens, and whether any of what was found is correct."""
    title = f"{rows[0]['run_id']}: {rows[0]['n_problems']} prompts, scorer {settings.scorer}"
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("at equal tokens", no_wrap=True)
    for budget in settings.budgets:
        table.add_column(f"{budget} samples, {_tokens(rows, budget):,.0f} tokens", justify="right")
    by_name = {(row["metric"], row["k"]): row for row in rows}
    for method in dict.fromkeys(name(row) for row in rows if row["metric"].startswith("search:")):
        cells = [
            (by_name[f"search:{method}", b], by_name.get((f"search_oracle:{method}", b))) for b in settings.budgets
        ]
        table.add_row(method, *(_cell(*cell) for cell in cells))
    table.caption = "accuracy (interval), any correct"
    return table


def difference_table(rows: Sequence[Row], settings: SearchStageSettings) -> Table:
    """What each method has over each reference for as many tokens."""
    table = Table(title="difference for as many tokens: accuracy, interval, p adjusted for all shown", box=box.SIMPLE)
    table.add_column("method", no_wrap=True)
    table.add_column("over", no_wrap=True)
    for budget in settings.budgets:
        table.add_column(f"{budget}", justify="right")
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        if row["metric"].startswith("diff:search:"):
            info = json.loads(row["info_json"])
            bounds = "" if row["ci_lo"] is None else f" ({row['ci_lo']:+.2f} to {row['ci_hi']:+.2f})"
            lines.setdefault((name(row), info["other"]), {})[row["k"]] = (
                f"{row['value']:+.3f}{bounds} p {info['p_holm']:.2g}"
            )
    for (method, other), cells in lines.items():
        table.add_row(method, other, *(cells.get(budget, "") for budget in settings.budgets))
    return table


def name(row: Row) -> str:
    """The method of a row: what follows the kind of its metric."""
    return str(row["metric"]).removeprefix("diff:").partition(":")[2]


def _tokens(rows: Sequence[Row], budget: int) -> float:
    row = next(r for r in rows if r["metric"] == f"search:{REFERENCES[0]}" and r["k"] == budget)
    return float(json.loads(row["info_json"])["budget_tokens"])


def _cell(row: Row, oracle: Row | None) -> str:
    info: dict[str, Any] = json.loads(row["info_json"])
    if row.get("value") is None or oracle is None:
        return f"needs {info['needs_tokens']:,.0f} tokens"
    bounds = "" if row["ci_lo"] is None else f" ({row['ci_lo']:.2f} to {row['ci_hi']:.2f})"
    short = f" for {info['tokens']:,.0f}" if info["tokens"] < 0.995 * info["budget_tokens"] else ""
    return f"{row['value']:.3f}{bounds}, {oracle['value']:.2f}{short}"
