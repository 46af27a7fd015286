"""What the commands share: options, and opening what stands outside the workflow, checkpoints and prompt files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rlpipe.engine.protocol import Engine
    from rlpipe.evaluate.friction.settings import FrictionSettings
    from rlpipe.evaluate.settings import EvaluateSettings
    from rlpipe.types import Prompt

DataSource = Annotated[str | None, typer.Option(help="selects the verifier where the file's layout names none")]
Model = Annotated[Path | None, typer.Option(help="Hugging Face directory")]
Prompts = Annotated[Path | None, typer.Option(help="prompts, in any layout `rlpipe import` reads")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="a setting of the stage, such as samples=32; may be repeated")
]


@contextmanager
def readable_errors() -> Iterator[None]:
    """The message of an error the package raised on purpose, without its traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


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


def open_engine(model: Path | str, settings: EvaluateSettings | FrictionSettings, device: str | None = None) -> Engine:
    """A Hugging Face directory, ready to write, by the engine of the settings; on `device` if one is named.

    Raises: ModelError for an unusable checkpoint.
    """
    import torch

    from rlpipe import models
    from rlpipe.engine.load import load_engine

    torch.set_num_threads(settings.threads)
    policy, tokenizer = models.load_policy(model)
    if device:
        policy.to(device)
    return load_engine(settings.engine, policy, tokenizer, settings.batch_size)


def read_prompts(
    path: str | Path, split: str | None, format: str = "auto", data_source: str | None = None
) -> tuple[list[Prompt], str | None]:
    """The prompts of a file, each once, and the name of their split: `split` of a file that has splits, else none.

    `path`: prompts/1, or any layout `rlpipe import` reads (`format`, `data_source` as there). Of a file with a column
    `split` only `split` is taken, or all of it where that is None.

    Rows without an answer and prompts with two different answers are left out, and counted on the console.

    Raises: RowError naming file and row for what cannot be read; ValueError if no prompt is left.
    """
    from rlpipe.curate.files.answers import LeftOut, agree
    from rlpipe.curate.files.reading import Reading, prompt_rows
    from rlpipe.prompts import to_prompt

    read = [row for _, _, row in prompt_rows(path, Reading(format, data_source))]
    rows = [row for row in read if not isinstance(row, LeftOut)]
    splits = {row.get("split") for row in rows} - {None}
    if splits and split is not None:
        rows = [row for row in rows if row.get("split") == split]
    if not rows:
        found = f"its splits are {sorted(map(str, splits))}" if splits else "no row has an answer"
        where = "" if split is None else f" to evaluate in split '{split}'"
        raise ValueError(f"{path}: no prompts{where}; {found}")
    answers: dict[str, dict[str, str]] = {}  # by prompt: its answers, and the source of each
    for row in rows:
        answers.setdefault(row["prompt_id"], {})[row["reward_model"]["ground_truth"]] = row["data_source"]
    agreed = {name for name, golds in answers.items() if agree(next(iter(golds.values())), golds)}
    first = {row["prompt_id"]: row for row in reversed(rows)}
    unique = [to_prompt(first[name]) for name in answers if name in agreed]
    torn, unanswered = len(answers) - len(unique), sum(isinstance(row, LeftOut) for row in read)
    if torn or unanswered:
        print(f"{path}: left out {unanswered} rows without an answer and {torn} prompts with two different answers")
    return unique, split if splits else None


def fingerprint(model_path: str | Path, prompts: Sequence[Prompt], settings: BaseModel) -> str:
    """What unfinished parts were made of: another checkpoint, prompt or setting must not find them."""
    files = sorted(Path(model_path).rglob("*")) if Path(model_path).is_dir() else []
    stamps = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    made_of: list[Any] = [str(model_path), stamps, settings.model_dump_json(), [(p.id, p.answer) for p in prompts]]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
