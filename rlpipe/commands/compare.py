"""`rlpipe compare`: two policies against each other, from their rollouts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rlpipe.commands.opener import Set, assignments
from rlpipe.evaluate.metric_row import ALL, Row, label

if TYPE_CHECKING:
    from rlpipe.statistics.paired import Paired

SHOWN = ("pass@k", "answer_entropy", "token_entropy", "distinct_correct", "response_length", "log_perplexity")
COUNTS = ("preserved", "expanded", "shrunk", "out")


def compare(
    base: Annotated[list[Path], typer.Option(help="rollouts/1 of the policy before; repeat for seeds")],
    trained: Annotated[list[Path], typer.Option(help="rollouts/1 of the policy after; repeat for seeds")],
    traces: Annotated[
        Path | None, typer.Option(help="solutions neither wrote, rollouts/1 (its correct ones) or demonstrations/1")
    ] = None,
    base_model: Annotated[Path | None, typer.Option(help="with --traces: Hugging Face directory before")] = None,
    trained_model: Annotated[Path | None, typer.Option(help="with --traces: Hugging Face directory after")] = None,
    out: Annotated[Path, typer.Option("--out", help="folder for metrics.parquet")] = Path("comparison"),
    set_: Set = None,
) -> None:
    """Two policies on the same prompts: differences with p-values, support, crossover, noise, perplexity of traces."""
    from rlpipe.evaluate.compare.rollout_files import compare_files
    from rlpipe.evaluate.settings import EvaluateSettings

    settings = EvaluateSettings.model_validate(assignments(set_ or []))
    narrowed = perplexities(traces, base_model, trained_model, settings.threads)
    show(compare_files(base, trained, out, settings, narrowed))


def perplexities(traces: Path | None, base: Path | None, trained: Path | None, threads: int) -> Paired | None:
    """The change of log-perplexity on the traces, if any are named."""
    if traces is None and base is None and trained is None:
        return None
    if traces is None or base is None or trained is None:
        raise ValueError("--traces, --base-model and --trained-model go together")
    import torch

    from rlpipe import models
    from rlpipe.evaluate.compare.perplexity import encode_traces, narrowing, read_traces
    from rlpipe.policy.forward import Policy

    found = read_traces(traces)
    torch.set_num_threads(threads)
    (before, tokenizer), (after, _) = models.load_policy(base), models.load_policy(trained)
    return narrowing(Policy(before), Policy(after), encode_traces(tokenizer, found))


def show(rows: Sequence[Row], console: Console | None = None) -> None:
    """The differences a reader looks for first, over all prompts; support by seed; one line each for the rest."""
    console = console or Console()
    columns = ("metric", "trained - base", "interval", "p", "p, Holm")
    table = Table(*columns, title="difference over the shared prompts", box=box.SIMPLE)
    for r in rows:
        if r["metric"].removeprefix("diff:") in SHOWN and r["benchmark"] == ALL:
            info = json.loads(r["info_json"])
            bounds = "" if r["ci_lo"] is None else f"{r['ci_lo']:+.3f} to {r['ci_hi']:+.3f}"
            name = label(r["metric"].removeprefix("diff:"), r.get("k"))
            at_most = "<= " if info["p_is_bound"] else ""
            holm = f"{at_most}{info['p_holm']:.2g}" if "p_holm" in info else ""
            table.add_row(name.replace("_", " "), f"{r['value']:+.3f}", bounds, f"{at_most}{info['p']:.2g}", holm)
    console.print(table)
    console.print(_support(rows))
    for r in rows:
        if r["metric"] == "crossover":
            console.print(_crossing(r))
    for r in rows:
        if r["metric"] == "global_noise":
            within = next(o["value"] for o in rows if o["metric"] == "run_noise" and o["run_id"] == r["run_id"])
            console.print(f"{r['run_id']}: global noise {r['value']:.3f}, run noise {within:.3f} (squared z)")


def _support(rows: Sequence[Row]) -> Table:
    table = Table(title="support: prompts that k rollouts solve at least once", box=box.SIMPLE, padding=(0, 0, 0, 1))
    table.add_column("trained policy", overflow="fold")
    for name in ("k", "kept", "gained", "lost", "never", "SRR", "NDR", "NSCR", "floor"):
        table.add_column(name, justify="right", no_wrap=True)
    lines: dict[tuple[str, int, str], list[str]] = {}
    for r in rows:
        info = json.loads(r["info_json"] or "{}")
        if r["metric"].startswith("support:") and info["at_least"] == 1:
            who = "base, its other half" if info["subset"] == "control" else r["model_id"]
            digits = 1 if r["metric"].split(":")[1] in COUNTS else 3
            cell = "-" if r["value"] is None else f"{round(r['value'], digits) + 0.0:.{digits}f}"
            lines.setdefault((who, r["k"], f"{info['detection_floor']:.3f}"), []).append(cell)
    for (who, k, floor), cells in lines.items():
        table.add_row(who, str(k), *cells[:6], cells[7], floor)
    return table


def _crossing(row: Row) -> str:
    if row["value"] is None:
        return f"{row['model_id']}: its pass@k stays ahead of the base policy's up to k = {row['n_samples']}"
    upper = "beyond" if row["ci_hi"] is None else f"{row['ci_hi']:.0f}"
    lower = "beyond" if row["ci_lo"] is None else f"{row['ci_lo']:.0f}"
    return f"{row['model_id']}: the base policy's pass@k is as high from k* = {row['value']:.0f} on [{lower}, {upper}]"
