"""The commands on files of prompts and rollouts, and on methods: import, export, methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

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
    path: Annotated[Path, typer.Argument(help="a file, a folder of files, or a pattern in quotes: 'data/*.jsonl.gz'")],
    out: Annotated[Path | None, typer.Argument(help="the prompts.parquet to write")] = None,
    format: Annotated[str, typer.Option(help="layout of the rows; auto tells it from the columns")] = "auto",
    data_source: DataSource = None,
    split: Annotated[str | None, typer.Option(help="fills the column `split`")] = None,
    prompt: Annotated[str | None, typer.Option(help="a column, or a template: '{Body} {Question}'")] = None,
    answer: Annotated[str | None, typer.Option(help="the column of the reference answer")] = None,
    pattern: Annotated[str | None, typer.Option(help="where in it: boxed, ####, or a regular expression")] = None,
    options: Annotated[str | None, typer.Option(help="the column of the options of a multiple choice")] = None,
    choice: Annotated[
        str | None, typer.Option(help="what names the right one: letter, text, or 0 or 1 counted from")
    ] = None,
    id: Annotated[str | None, typer.Option(help="the column of the rows' names")] = None,
    level: Annotated[str | None, typer.Option(help="the column of the levels")] = None,
    source: Annotated[str | None, typer.Option(help="the column of the data source")] = None,
    form: Annotated[str | None, typer.Option(help="how the answer is asked for: boxed or ####")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="show the first rows as they would be read; write nothing")
    ] = False,
    rows: Annotated[int, typer.Option(help="with --preview: so many")] = 3,
) -> None:
    """Write prompt files of another layout as prompts/1, or show how they would be read."""
    from rlpipe.curate.files.importing import import_prompts
    from rlpipe.curate.files.importing import preview as look
    from rlpipe.curate.files.reading import Reading
    from rlpipe.curate.files.tables.columns import Columns

    said = {"prompt": prompt, "answer": answer, "pattern": pattern, "options": options, "id": id, "level": level}
    number = int(choice) if choice in ("0", "1") else choice
    columns = Columns.model_validate({**said, "source": source, "form": form, "choice": number})
    if preview:
        report, first = look(path, Reading(format, data_source, columns), rows)
        for row in first:
            typer.echo(shown(row) + "\n")
    elif out is None:
        raise ValueError("name the prompts.parquet to write, or give --preview to look only")
    else:
        report = import_prompts(path, out, format, data_source, split, columns)
    typer.echo(f"{path if preview else out}: {report.written} of {report.read} rows, read as {report.format}")
    typer.echo("\n".join(report.in_words()))


def shown(row: Mapping[str, Any]) -> str:
    """A row of prompts/1 for the eye."""
    prompt = "\n".join(
        message["content"] if message["role"] == "user" else f"{message['role']}: {message['content']}"
        for message in row["prompt"]
    )
    answer, index = row["reward_model"]["ground_truth"], row["extra_info"]["index"]
    facts = {"id": index, "level": row["difficulty"], "source": row["data_source"], "answer": answer}
    return prompt + "".join(f"\n  {name + ':':<8}{value}" for name, value in facts.items() if value is not None)


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
