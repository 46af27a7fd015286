"""The commands that need no project: methods, import, export, evaluate, contamination. Registered by `rlpipe.commands.app`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rlpipe.overlap.thresholds import Paraphrases

Out = Annotated[Path, typer.Option("--out", help="folder for the artifacts")]
DataSource = Annotated[str | None, typer.Option(help="selects the verifier where the file's layout names none")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="a setting of the stage, such as samples=32; may be repeated")
]


def methods() -> None:
    """Every method found: what it changes, which slots it fills, its paper and its published values."""
    from rich.console import Console
    from rich.table import Table

    from rlpipe.params.signatures import methods_table

    rows = methods_table()
    table = Table(show_lines=True)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def import_(
    path: Annotated[Path, typer.Argument(help="Parquet, JSON or JSONL")],
    out: Annotated[Path, typer.Argument(help="the prompts.parquet to write")],
    format: Annotated[str, typer.Option(help="layout of the rows; auto tells it from the column names")] = "auto",
    data_source: DataSource = None,
    split: Annotated[str | None, typer.Option(help="fills the column `split`")] = None,
) -> None:
    """Write a prompt file of another layout as prompts/1."""
    from rlpipe.curate.files.importing import import_prompts

    report = import_prompts(path, out, format, data_source, split)
    typer.echo(f"{out}: {report.written} of {report.read} rows, read as {report.format}")
    for source, count in sorted(report.sources.items()):
        typer.echo(f"  {source}: {count}")
    for reason, count in sorted(report.left_out.items()):
        typer.echo(f"  left out, {reason}: {count}")


def export(
    path: Annotated[Path, typer.Argument(help="prompts/1, or rollouts/1 with --layout rollouts")],
    out: Annotated[Path, typer.Argument(help="*.jsonl or *.parquet")],
    layout: Annotated[str, typer.Option(help="verl, skyrl, trl, open-instruct, verifiers; rollouts: verl's dump")],
    pure: Annotated[bool, typer.Option("--pure", help="without the columns that are ours")] = False,
    split: Annotated[str | None, typer.Option(help="this split only")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="with --layout rollouts: prompts/1, whose reference answers fill `gts`")
    ] = None,
) -> None:
    """Write prompts, or rollouts, in another project's layout."""
    from rlpipe.curate.files.exporting import export_prompts, export_rollouts

    if prompts is not None and layout != "rollouts":
        raise ValueError(
            f"--prompts {prompts} fills the reference answers of rollouts; give --layout rollouts, or no file"
        )
    if layout == "rollouts":
        typer.echo(f"{out}: {export_rollouts(path, out, prompts)} rollouts")
        return
    as_text = export_prompts(path, out, layout, pure, split)
    typer.echo(
        f"{out}: written" + (f"; JSON text, as they hold several types: {', '.join(as_text)}" if as_text else "")
    )


def evaluate(
    model: Annotated[Path | None, typer.Option(help="Hugging Face directory")] = None,
    prompts: Annotated[Path | None, typer.Option(help="prompts, in any layout `rlpipe import` reads")] = None,
    rollouts: Annotated[Path | None, typer.Option(help="rollouts/1, instead of a model and prompts")] = None,
    out: Out = Path("evaluation"),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Sample a policy on prompts, or take rollouts as they are; write samples and metrics with intervals."""
    from rlpipe.commands.evaluate import evaluate_model, evaluate_rollouts
    from rlpipe.evaluate.settings import EvaluateSettings

    settings = EvaluateSettings.model_validate(assignments(set_ or []))
    if rollouts is not None:
        evaluate_rollouts(rollouts, out, settings)
    elif model is not None and prompts is not None:
        evaluate_model(model, prompts, out, settings, data_source=data_source)
    else:
        raise ValueError("give --model and --prompts, or --rollouts")


def contamination(
    model: Annotated[Path | None, typer.Option(help="Hugging Face directory, to be probed")] = None,
    members: Annotated[Path | None, typer.Option(help="prompts suspected of having been trained on")] = None,
    nonmembers: Annotated[Path | None, typer.Option(help="prompts of the same distribution, never trained on")] = None,
    control: Annotated[Path | None, typer.Option(help="the same model before RL")] = None,
    train: Annotated[Path | None, typer.Option(help="training prompts, to compare with --eval")] = None,
    eval_: Annotated[Path | None, typer.Option("--eval", help="evaluation prompts")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="rollouts/1 on the evaluation prompts: their score on the clean ones is added")
    ] = None,
    embed: Annotated[
        str | None, typer.Option(help="with --train: Hugging Face model, to look for paraphrases by its embeddings")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="with --embed: causal LM that is asked whether two prompts are one in other words"),
    ] = None,
    cosine: Annotated[
        float | None, typer.Option(help="with --embed: cosine from which a pair counts (0.8); depends on the model")
    ] = None,
    out: Out = Path("contamination"),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Probe a model for prompts it was trained on, or compare two files of prompts; a verdict with reasons."""
    from rlpipe.commands.contamination import contamination_model, contamination_overlap
    from rlpipe.contamination.settings import ContaminationSettings

    settings = ContaminationSettings.model_validate(assignments(set_ or []))
    paraphrases = _paraphrases(embed, judge, cosine)
    if paraphrases and not (train and eval_):
        raise ValueError(f"--embed {embed}: only with --train and --eval, whose texts it compares")
    if samples and not (train and eval_):
        raise ValueError(f"--samples {samples}: only with --train and --eval, which say what of it is clean")
    if model and members and nonmembers:
        contamination_model(model, members, nonmembers, out, settings, control, data_source)
    elif train and eval_:
        contamination_overlap(train, eval_, out, settings, samples, paraphrases)
    else:
        raise ValueError("give --model, --members and --nonmembers, or --train and --eval")


def _paraphrases(embed: str | None, judge: str | None, cosine: float | None) -> Paraphrases | None:
    """The settings of the comparison by embeddings, if a model is named."""
    from rlpipe.overlap.thresholds import Paraphrases

    given = {name: value for name, value in (("judge", judge), ("threshold", cosine)) if value is not None}
    if embed is None and given:
        raise ValueError("--judge and --cosine go with --embed, the model that finds the pairs")
    return None if embed is None else Paraphrases.model_validate({"model": embed, **given})


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`["samples=32", "drift.enabled=false"]` as nested settings, values read as YAML.

    Raises: ValueError for a pair without `=`.
    """
    import yaml

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--set {pair}: write key=value")
        place = settings
        *parents, last = key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = yaml.safe_load(value)
    return settings
