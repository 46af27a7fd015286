"""Texts to compare out of Parquet files of any layout, in batches of bounded size.

A batch is a frame with the columns `id`, `set` (the data source, or the file's name), `text` (user contents without
instructions on the form of the answer) and `key` (of a procedural problem, else null).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe.artifacts import ArtifactError
from rlpipe.curate import normalize

ROWS = 16_384
CONVERSATIONS = ("prompt", "messages")
TEXT_COLUMNS = ("prompt", "question", "problem", "input", "text")
PROCEDURAL = ("rlpipe/", "reasoning_gym/")


@dataclass(frozen=True)
class TextFile:
    """A Parquet file of prompts; `splits` keeps the rows whose column `split` is one of them."""

    path: Path
    splits: tuple[str, ...] | None = None


def problem_key(source: str, identity: str, metadata_json: str | None) -> str | None:
    """What tells a procedural problem from every other: the generator's parameters, which texts of one template hide.

    Returns: None for sources that are not procedural; they are compared by their words.
    """
    if not source.startswith(PROCEDURAL):
        return None
    key = json.loads(metadata_json).get("columns", {}).get("key") if metadata_json else None
    return f"{source}:{identity if key is None else key}"


def batches(file: TextFile, rows: int = ROWS) -> Iterator[pl.DataFrame]:
    """The texts of a file, at most `rows` at a time; rows without a `prompt_id` are named `<file>:<row>`, from 1.

    Raises: ArtifactError for a file that is absent, not Parquet, or without a column that holds prompts.
    """
    path = Path(file.path)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    try:
        parquet = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path}: not a Parquet file ({error}); `rlpipe import` converts JSONL") from error
    names = parquet.schema_arrow.names
    column = _prompt_column(path, parquet.schema_arrow)
    if file.splits is not None and "split" not in names:
        raise ArtifactError(f"{path}: no column 'split' to choose {list(file.splits)} by; `rlpipe import` adds it")
    wanted = [n for n in ("prompt_id", "data_source", "split", "metadata_json") if n in names]
    first = 1
    for part in parquet.iter_batches(batch_size=rows, columns=[column, *wanted]):
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([part])))
        yield _texts(frame, column, path, first, file.splits)
        first += part.num_rows


def _prompt_column(path: Path, schema: pa.Schema) -> str:
    for name in CONVERSATIONS:
        if name in schema.names and pa.types.is_list(schema.field(name).type):
            return name
    for name in TEXT_COLUMNS:
        if name in schema.names and _is_text(schema.field(name).type):
            return name
    raise ArtifactError(
        f"{path}: no prompts: it has {schema.names}, wanted is one of {[*CONVERSATIONS, *TEXT_COLUMNS]}"
    )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _texts(frame: pl.DataFrame, column: str, path: Path, first: int, splits: Sequence[str] | None) -> pl.DataFrame:
    text = pl.col(column)
    if isinstance(frame.schema[column], pl.List):
        message = pl.element().struct
        text = text.list.eval(message.field("content").filter(message.field("role") == "user")).list.join("\n")
    row = pl.int_range(first, first + len(frame)).cast(pl.String)
    identity = pl.col("prompt_id") if "prompt_id" in frame.columns else pl.lit(f"{path.name}:") + row
    source = pl.col("data_source").fill_null(path.stem) if "data_source" in frame.columns else pl.lit(path.stem)
    out = frame.select(
        identity.alias("id"),
        source.alias("set"),
        text.fill_null("").alias("text"),
        (pl.col("metadata_json") if "metadata_json" in frame.columns else pl.lit(None, pl.String)).alias("key"),
        *(["split"] if splits is not None else []),
    )
    if splits is not None:
        out = out.filter(pl.col("split").is_in(list(splits))).drop("split")
    return _keyed(_without_instructions(out.cast(pl.String)))


def _without_instructions(frame: pl.DataFrame) -> pl.DataFrame:
    marked = pl.col("text").str.contains(r"(?i)####|\\boxed|answer\s*:")
    if not frame.select(marked.any()).item():
        return frame
    bare = pl.col("text").map_elements(normalize.without_instructions, return_dtype=pl.String)
    return frame.with_columns(pl.when(marked).then(bare).otherwise(pl.col("text")).alias("text"))


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    """Metadata replaced by the problem's key; only rows of procedural sources are parsed."""
    procedural = frame["set"].str.contains_any(list(PROCEDURAL)).fill_null(False)
    if not procedural.any():
        return frame.with_columns(pl.lit(None, pl.String).alias("key"))
    keys = [
        problem_key(source, identity, metadata) if maybe else None
        for maybe, source, identity, metadata in zip(procedural, frame["set"], frame["id"], frame["key"], strict=True)
    ]
    return frame.with_columns(pl.Series("key", keys, dtype=pl.String))
