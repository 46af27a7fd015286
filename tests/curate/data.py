"""Where real data lie, small tables to test with, and what is read of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rlpipe.curate.files.answers import LeftOut
from rlpipe.curate.files.reading import Reading, prompt_rows
from rlpipe.curate.files.records import Record
from rlpipe.curate.files.tables.columns import Columns

ROOT = Path(__file__).resolve().parents[2]


def gsm8k() -> Path:
    """The folder with GSM8K's train.jsonl and test.jsonl; skips the test where it is absent."""
    base = Path(os.environ.get("RLPIPE_TEST_DATA", ROOT / "../shared/data"))
    folder = base / "gsm8k"
    if not (folder / "train.jsonl").is_file():
        pytest.skip(f"{folder} has no train.jsonl; RLPIPE_TEST_DATA names the folder that holds gsm8k/")
    return folder


def field(name: str) -> Path:
    """A file in a public layout; skips the test where it is absent."""
    base = Path(os.environ.get("RLPIPE_TEST_FIELD", ROOT / "../shared/field"))
    if not (base / name).is_file():
        pytest.skip(f"{base / name} is absent; RLPIPE_TEST_FIELD names the folder that holds it")
    return base / name


def lines(path: Path, *rows: object) -> Path:
    """A JSONL file of these rows."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path | str, **said: Any) -> list[tuple[str, Record | LeftOut]]:
    columns = Columns.model_validate(said.pop("columns", {}))
    return [(layout, row) for _, layout, row in prompt_rows(path, Reading(columns=columns, **said))]


def one(tmp_path: Path, record: Record, **columns: Any) -> Record:
    ((_, row),) = read(lines(tmp_path / "set.jsonl", record), columns=columns)
    assert isinstance(row, dict), row
    return row


def prompt(row: Record) -> str:
    return str(row["prompt"][0]["content"])


def gold(row: Record) -> str:
    return str(row["reward_model"]["ground_truth"])


def texts(rows: dict[str, str], name: str = "set") -> pl.DataFrame:
    """A batch as `rlpipe.curate.files.texts` makes them."""
    values = [(identity, name, text, None) for identity, text in rows.items()]
    return pl.DataFrame(values, schema=dict.fromkeys(("id", "set", "text", "key"), pl.String), orient="row")
