"""`rlpipe diversity`: every diversity measure of any file of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rlpipe.commands.opener import Set, assignments

if TYPE_CHECKING:
    from rlpipe.evaluate.metric_row import Row


def diversity(
    rollouts: Annotated[Path, typer.Option(help="rollouts/1, of any number of policies")],
    embed: Annotated[
        Path | None, typer.Option(help="Hugging Face model whose mean hidden states embed responses")
    ] = None,
    order: Annotated[list[float] | None, typer.Option(help="order q of the Vendi score; repeat; inf is one")] = None,
    samples: Annotated[int, typer.Option(help="samples of each prompt, those of lowest index")] = 32,
    out: Annotated[Path, typer.Option("--out", help="folder for metrics.parquet")] = Path("diversity"),
    set_: Set = None,
) -> None:
    """Vendi scores, distinct and expected distinct n-grams, self-BLEU and answer entropies of rollouts, with intervals."""
    from rlpipe.evaluate.diversity.rollout_files import diversity_of_rollouts
    from rlpipe.evaluate.settings import EvaluateSettings
    from rlpipe.overlap.paraphrase.embed import embedder

    settings = EvaluateSettings.model_validate(assignments(set_ or []))
    vectors, vocabulary = embedder(embed) if embed else (None, None)
    orders = order or (0.5, 1.0, 2.0, float("inf"))
    show(diversity_of_rollouts(rollouts, out, settings, orders, samples, vectors, vocabulary))


def show(rows: Sequence[Row], console: Console | None = None) -> None:
    """A line per measure, a column per policy."""
    policies = list(dict.fromkeys((r["run_id"], r["policy_step"]) for r in rows))
    table = Table("measure", title="diversity within a prompt, mean over prompts", box=box.SIMPLE)
    for run, step in policies:
        table.add_column(f"{run} step {step}" if step else str(run))
    for name in dict.fromkeys(r["metric"] for r in rows):
        cells = {(r["run_id"], r["policy_step"]): r for r in rows if r["metric"] == name}
        table.add_row(name.replace("_", " "), *(_cell(cells.get(p)) for p in policies))
    (console or Console()).print(table)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row['value']:.3f}" + ("" if row["ci_lo"] is None else f" [{row['ci_lo']:.3f}, {row['ci_hi']:.3f}]")
