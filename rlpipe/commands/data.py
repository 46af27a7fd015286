"""The commands on files of prompts and rollouts, and on methods: import, export, methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlpipe.commands.opener import DataSource


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
