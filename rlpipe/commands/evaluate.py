"""`rlpipe evaluate`: any Hugging Face checkpoint on any prompt file, and any file of rollouts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rlpipe.commands.opener import (
    DataSource,
    Model,
    Prompts,
    Set,
    assignments,
    fingerprint,
    open_engine,
    read_prompts,
)
from rlpipe.evaluate.metric_row import ALL, Row, label

if TYPE_CHECKING:
    from rlpipe.evaluate.settings import EvaluateSettings

SHOWN = ("pass@k", "majority@k", "answer_entropy", "token_entropy", "distinct_correct", "response_length")
BROAD = ("answer_entropy", "response_length")
FEW_POLICIES = 3


def evaluate(
    model: Model = None,
    prompts: Prompts = None,
    rollouts: Annotated[Path | None, typer.Option(help="rollouts/1, instead of a model and prompts")] = None,
    out: Annotated[Path, typer.Option("--out", help="folder for the artifacts")] = Path("evaluation"),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Sample a policy on prompts, or take rollouts as they are; write samples and metrics with intervals."""
    from rlpipe.evaluate.settings import EvaluateSettings

    settings = EvaluateSettings.model_validate(assignments(set_ or []))
    if rollouts is not None:
        evaluate_rollouts(rollouts, out, settings)
    elif model is not None and prompts is not None:
        evaluate_model(model, prompts, out, settings, data_source=data_source)
    else:
        raise ValueError("give --model and --prompts, or --rollouts")


def evaluate_model(
    model_path: str | Path,
    prompts_path: str | Path,
    out_dir: str | Path,
    settings: EvaluateSettings | None = None,
    format: str = "auto",
    data_source: str | None = None,
    device: str | None = None,
) -> list[Row]:
    """Sample a checkpoint on a prompt file; `samples.parquet` and `metrics.parquet` under `out_dir`; print a table.

    `prompts_path`: prompts/1, or any layout `rlpipe import` reads (`format`, `data_source` as there). A file with a
    column `split` is evaluated on `settings.split`. `device`: an accelerator where there is one. Killed and started
    again with the same arguments, it goes on where it was.

    Raises: ModelError for an unusable checkpoint; RowError or ValueError for prompts that cannot be read or are none.
    """
    from rlpipe.evaluate.prompt_subset import choose
    from rlpipe.evaluate.sample import Subject, sample
    from rlpipe.evaluate.settings import EvaluateSettings
    from rlpipe.evaluate.summaries import write_metrics

    settings, out = settings or EvaluateSettings(), Path(out_dir)
    prompts, split = read_prompts(prompts_path, settings.split, format, data_source)
    prompts = choose(prompts, settings.limit)
    out.mkdir(parents=True, exist_ok=True)
    engine = open_engine(model_path, settings, device)
    name = Path(model_path).name
    scratch = out / f".unfinished-{fingerprint(model_path, prompts, settings)}"
    sample(prompts, engine, settings, Subject(name, str(model_path)), out / "samples.parquet", scratch, split)
    shutil.rmtree(scratch)
    rows = write_metrics(out, settings, split)
    show(rows)
    return rows


def evaluate_rollouts(
    rollouts_path: str | Path, out_dir: str | Path, settings: EvaluateSettings | None = None, split: str | None = None
) -> list[Row]:
    """Metrics of a file of rollouts (rollouts/1), for every run, model and step in it; print a table.

    Writes the file as `samples.parquet` and its `metrics.parquet` under `out_dir`.

    Raises: ArtifactError for a file of another schema; ValueError for an empty one, or one with rollouts that cannot be
    counted (`settings.unusable`).
    """
    import pyarrow.parquet as pq

    from rlpipe import artifacts
    from rlpipe.evaluate.settings import EvaluateSettings
    from rlpipe.evaluate.summaries import write_metrics
    from rlpipe.evaluate.usable import usable

    settings, out = settings or EvaluateSettings(), Path(out_dir)
    artifacts.check(rollouts_path, artifacts.ROLLOUTS)
    out.mkdir(parents=True, exist_ok=True)
    target = out / "samples.parquet"
    if Path(rollouts_path).resolve() != target.resolve():
        counted = usable(rollouts_path, settings.unusable).to_arrow()
        with artifacts.TableWriter(target, artifacts.ROLLOUTS) as writer:
            source, first = pq.ParquetFile(rollouts_path), 0
            for group in range(source.num_row_groups):
                rows = source.read_row_group(group)
                writer.write(rows.filter(counted.slice(first, len(rows))))
                first += len(rows)
    rows = write_metrics(out, settings, split)
    show(rows)
    return rows


def show(rows: Sequence[Row], console: Console | None = None) -> None:
    """The metrics a reader looks for first: with intervals over all prompts, and by source and level without.

    Of many policies (the steps of a run) one line each.
    """
    console = console or Console()
    shown = _shown(rows)
    policies = list(dict.fromkeys(map(_policy, shown)))
    if len(policies) > FEW_POLICIES:
        console.print(_broad("all prompts", [r for r in shown if r["benchmark"] == ALL], _policy))
        return
    for policy in policies:
        own = [r for r in shown if _policy(r) == policy]
        console.print(_long(policy, [r for r in own if r["benchmark"] == ALL]))
        console.print(_broad(policy, [r for r in own if r["benchmark"] != ALL], lambda r: str(r["benchmark"])))


def _shown(rows: Sequence[Row]) -> list[Row]:
    """The first metrics; of majority@k only the largest k."""
    most = max((r["k"] for r in rows if r["metric"] == "majority@k"), default=0)
    return [r for r in rows if r["metric"] in SHOWN and (r["metric"] != "majority@k" or r["k"] == most)]


def _long(policy: str, rows: Sequence[Row]) -> Table:
    """A line per metric, with its interval."""
    first = rows[0]
    title = f"{policy}: {first['n_problems']} prompts x {first['n_samples']} samples"
    table = Table("metric", "value", "interval", title=title)
    for r in rows:
        bounds = "" if r["ci_lo"] is None else f"{r['ci_lo']:.3f} to {r['ci_hi']:.3f}"
        table.add_row(_label(r), f"{r['value']:.3f}", bounds)
    return table


def _broad(title: str, rows: Sequence[Row], name: Callable[[Row], str]) -> Table:
    """A line per source, level or policy: values of a few metrics."""
    labels = list(dict.fromkeys(map(_label, rows)))
    curve = [name for name in labels if name.startswith("pass@")]
    # The ends and the middle of the pass@k curve and three more: what fits a terminal of 80 columns.
    picked = list(dict.fromkeys([*curve[:1], *curve[len(curve) // 2 :][:1], *curve[-1:]]))
    kept = picked + [name for name in labels if name.startswith("majority@")] + [m for m in BROAD if m in labels]
    table = Table(title=title, box=box.SIMPLE)
    table.add_column("prompts of", no_wrap=True)
    for column in kept:
        table.add_column(column.replace("_", " ").replace("majority@", "majority @"), justify="right")
    lines: dict[str, dict[str, str]] = {}
    for r in rows:
        lines.setdefault(name(r), {})[_label(r)] = f"{r['value']:.3f}"
    for line, cells in lines.items():
        table.add_row(line, *(cells.get(column, "") for column in kept))
    return table


def _policy(row: Row) -> str:
    return f"{row['run_id']} step {row['policy_step']}" if row["policy_step"] else str(row["run_id"])


def _label(row: Row) -> str:
    return label(row["metric"], row["k"])
