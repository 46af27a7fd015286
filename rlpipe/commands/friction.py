"""`rlpipe friction`: Feedback Friction of any Hugging Face checkpoint on any prompt file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rlpipe.commands.opener import DataSource, Model, Prompts, Set, assignments, open_engine, read_prompts

if TYPE_CHECKING:
    from rlpipe.evaluate.friction.loop import FrictionResult
    from rlpipe.evaluate.friction.settings import FrictionSettings
    from rlpipe.evaluate.metric_row import Row


def friction(
    model: Model = None,
    prompts: Prompts = None,
    out: Annotated[Path, typer.Option("--out", help="folder for friction.parquet and metrics.parquet")] = Path(
        "friction"
    ),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Tell a policy that it is wrong, round after round, and see how much of what is left it solves."""
    if model is None or prompts is None:
        raise ValueError("give --model and --prompts")
    from rlpipe.evaluate.friction.settings import FrictionSettings

    settings = FrictionSettings.model_validate(assignments(set_ or []))
    friction_model(model, prompts, out, settings, data_source)


def friction_model(
    model_path: str | Path,
    prompts_path: str | Path,
    out_dir: str | Path,
    settings: FrictionSettings | None = None,
    data_source: str | None = None,
    device: str | None = None,
) -> list[Row]:
    """Run the loop; `friction.parquet` (friction/1) and `metrics.parquet` (eval/1) under `out_dir`; print a table.

    Prompts as in `evaluate_model`. Returns: the rows of the metrics.

    Raises: ModelError for an unusable checkpoint; RowError or ValueError for prompts that cannot be read, are none, or
    do not fit the model.
    """
    from rlpipe import artifacts
    from rlpipe.evaluate.friction.metrics import FRICTION, dialogue_rows, metric_rows, run
    from rlpipe.evaluate.friction.settings import FrictionSettings
    from rlpipe.evaluate.prompt_subset import choose

    settings, out = settings or FrictionSettings(), Path(out_dir)
    prompts, split = read_prompts(prompts_path, settings.split, data_source=data_source)
    prompts = choose(prompts, settings.limit)
    engine = open_engine(model_path, settings, device)
    result = run(engine, prompts, settings, engine.longest)
    who: Row = {"run_id": Path(model_path).name, "model_id": str(model_path)}
    rows = [who | {"split": split} | row for row in metric_rows(result, settings)]
    out.mkdir(parents=True, exist_ok=True)
    artifacts.write(out / "friction.parquet", FRICTION, [who | r for d in result.dialogues for r in dialogue_rows(d)])
    artifacts.write(out / "metrics.parquet", artifacts.EVAL, rows)
    show(rows, result)
    return rows


def show(rows: Sequence[Row], result: FrictionResult, console: Console | None = None) -> None:
    """A line per round."""
    console = console or Console()
    title = f"{rows[0]['run_id']}: {rows[0]['n_problems']} prompts, {result.generated_tokens:,} tokens"
    table = Table("round", "tried", "solved so far", "interval", "tokens", title=title, box=box.SIMPLE)
    for row in rows:
        bounds = "" if row["ci_lo"] is None else f"{row['ci_lo']:.3f} to {row['ci_hi']:.3f}"
        if row["metric"] == "friction_accuracy":
            tried = sum(len(d.responses) > row["k"] for d in result.dialogues)
            table.add_row(str(row["k"]), str(tried), f"{row['value']:.3f}", bounds, f"{row['total_tokens']:,}")
        else:
            table.add_row("friction", "", f"{row['value']:.3f}", bounds, "")
    console.print(table)
    if short := sum(d.out_of_room is not None for d in result.dialogues):
        console.print(
            f"{short} dialogues outgrew the model's longest sequence before the last round, and count as unsolved."
        )
