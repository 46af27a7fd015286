"""Texts to compare out of Parquet or JSONL files of any layout, in batches of bounded size.

A batch is a frame with the columns `id`, `set` (the data source, or the file's name), `text` (user contents without
instructions on the form of the answer) and `key` (of a procedural problem, else null).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe.artifacts import ArtifactError
from rlpipe.curate.files.messages import to_messages
from rlpipe.curate.files.records import Place, RowError, records
from rlpipe.overlap import normalize

ROWS = 16_384
CONVERSATIONS = ("prompt", "messages")
TEXT_COLUMNS = ("prompt", "question", "problem", "input", "text")
KEPT = ("prompt_id", "data_source", "split", "metadata_json")
TEXT = "(text)"  # what the column of prompts is called inside


@dataclass(frozen=True)
class TextFile:
    """A Parquet or JSONL file of prompts; `splits` keeps the rows whose column `split` is one of them."""

    path: Path
    splits: tuple[str, ...] | None = None


def frames(files: Sequence[TextFile]) -> Iterator[pl.DataFrame]:
    """The texts of all files, one file after the other. Raises: as `batches`."""
    for file in files:
        yield from batches(file)


def batches(file: TextFile, rows: int = ROWS) -> Iterator[pl.DataFrame]:
    """The texts of a file, at most `rows` at a time; rows without a `prompt_id` are named `<file>:<row>`, counted from 1.

    Raises: RowError for a file or row that cannot be read; ArtifactError for one without a column that holds prompts.
    """
    path, first = Path(file.path), 1
    for frame in _parquet(path, rows) if path.suffix == ".parquet" else _jsonl(path, rows):
        if file.splits is not None and "split" not in frame.columns:
            raise ArtifactError(f"{path}: no column 'split' to choose {list(file.splits)} by; `rlpipe import` adds it")
        yield _texts(frame, path, first, file.splits)
        first += len(frame)


def _parquet(path: Path, rows: int) -> Iterator[pl.DataFrame]:
    if not path.is_file():
        raise RowError(f"{path}: no such file")
    try:
        parquet = pq.ParquetFile(path, pre_buffer=False)  # else the whole file is read ahead
        schema = parquet.schema_arrow
        column = _prompt_column(path, {name: schema.field(name).type for name in schema.names})
        _check_messages(path, column, schema.field(column).type)
        wanted = [column, *(n for n in KEPT if n in schema.names)]
        for part in parquet.iter_batches(batch_size=rows, columns=wanted):
            yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches([part]))).rename({column: TEXT})
    except pa.ArrowInvalid as error:
        raise RowError(f"{path}: not readable as Parquet ({error}); was it cut short?") from error


def _jsonl(path: Path, rows: int) -> Iterator[pl.DataFrame]:
    """As `_parquet`; the first row says where prompts are and which columns there are."""
    lines = records(path)
    column, kept = "", list[str]()
    while chunk := list(islice(lines, rows)):
        if not column:
            record = chunk[0][1]
            column = _prompt_column(path, {name: _type(value) for name, value in record.items()})
            kept = [name for name in KEPT if name in record]
        columns: dict[str, list[Any]] = {TEXT: [_content(record.get(column), column, place) for place, record in chunk]}
        columns["prompt_id"] = [f"{path.name}:{place.row}" for place, _ in chunk]
        columns |= {name: [record.get(name) for _, record in chunk] for name in kept}
        yield pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String), strict=False)


def _type(value: object) -> pa.DataType:
    return pa.string() if isinstance(value, str) else pa.list_(pa.null()) if isinstance(value, list) else pa.null()


def _content(value: object, column: str, place: Place) -> str:
    """A prompt as text, by the rule that `_texts` has for columns of conversations."""
    if value is None or isinstance(value, str):
        return value or ""
    return "\n".join(m["content"] for m in to_messages(value, column, place) if m["role"] == "user")


def _prompt_column(path: Path, types: Mapping[str, pa.DataType]) -> str:
    for name in CONVERSATIONS:
        if name in types and (pa.types.is_list(types[name]) or pa.types.is_large_list(types[name])):
            return name
    for name in TEXT_COLUMNS:
        if name in types and _is_text(types[name]):
            return name
    wanted = ", ".join(dict.fromkeys([*CONVERSATIONS, *TEXT_COLUMNS]))
    raise ArtifactError(f"{path}: no prompts: its columns are {', '.join(types)}, wanted is one of {wanted}")


def _check_messages(path: Path, column: str, kind: pa.DataType) -> None:
    if _is_text(kind):
        return
    fields = {f.name: f.type for f in kind.value_type} if pa.types.is_struct(kind.value_type) else {}
    if not all(name in fields and _is_text(fields[name]) for name in ("role", "content")):
        problem = f"column '{column}' is {kind}: not messages with a role and a text each"
        raise ArtifactError(f"{path}: {problem}; `rlpipe import` joins parts of text")


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _texts(frame: pl.DataFrame, path: Path, first: int, splits: Sequence[str] | None) -> pl.DataFrame:
    text = pl.col(TEXT)
    if isinstance(frame.schema[TEXT], pl.List):
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
    procedural = frame["set"].str.contains_any(list(normalize.PROCEDURAL)).fill_null(False)
    if not procedural.any():
        return frame.with_columns(pl.lit(None, pl.String).alias("key"))
    keys = [
        normalize.problem_key(source, identity, metadata) if maybe else None
        for maybe, source, identity, metadata in zip(procedural, frame["set"], frame["id"], frame["key"], strict=True)
    ]
    return frame.with_columns(pl.Series("key", keys, dtype=pl.String))
