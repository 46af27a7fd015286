"""Where real data lie, and small tables to test with."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]


def gsm8k() -> Path:
    """The folder with GSM8K's train.jsonl and test.jsonl; skips the test where it is absent."""
    base = Path(os.environ.get("RLPIPE_TEST_DATA", ROOT / "../shared/data"))
    folder = base / "gsm8k"
    if not (folder / "train.jsonl").is_file():
        pytest.skip(f"{folder} has no train.jsonl; RLPIPE_TEST_DATA names the folder that holds gsm8k/")
    return folder


def texts(rows: dict[str, str], name: str = "set") -> pl.DataFrame:
    """A batch as `rlpipe.curate.files.texts` makes them."""
    values = [(identity, name, text, None) for identity, text in rows.items()]
    return pl.DataFrame(values, schema=dict.fromkeys(("id", "set", "text", "key"), pl.String), orient="row")
