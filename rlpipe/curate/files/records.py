"""Rows of Parquet, JSON, JSONL, CSV and TSV files, each with its place, so that whatever is wrong can be found."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe.curate.files import shards

Record = dict[str, Any]
SHOWN = 80  # characters of a bad value in a message
BATCH = 2048


class RowError(ValueError):
    """A file or a row that is not what it should be; the message names file, row, column, value and remedy."""


@dataclass(frozen=True)
class Place:
    """A row of a file, counted from 1; in JSONL that is the line, in CSV the names of the columns are no row."""

    path: Path
    row: int

    def __str__(self) -> str:
        return f"{self.path}:{self.row}"

    def error(self, column: str, value: object, problem: str, remedy: str) -> RowError:
        shown = repr(value)
        shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
        return RowError(f"{self.path}: row {self.row}: column '{column}' is {shown}: {problem}; {remedy}")


@dataclass(frozen=True)
class Unreadable:
    """A value of Parquet that Python has no value for; refused where it is asked for, a note elsewhere."""

    type: str


def files(path: Path | str) -> list[Path]:
    """As `shards.shards`. Raises: RowError."""
    try:
        return shards.shards(path)
    except ValueError as error:
        raise RowError(str(error)) from None


def records(path: Path | str) -> Iterator[tuple[Place, Record]]:
    """The rows of a file, of the files of a folder, or of those a pattern matches, one at a time.

    Raises: RowError for a file that is absent, empty, cut short or of another kind, and for a row that is no object.
    """
    for file in files(path):
        yield from _records(file)


def _records(path: Path) -> Iterator[tuple[Place, Record]]:
    readers = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
    kind = shards.kind(path)
    if kind not in readers or (kind == ".parquet" and path.suffix != kind):
        known = f"{', '.join(shards.KINDS)}, all but .parquet also with {' or '.join(shards.PACKED)} behind it"
        raise RowError(f"{path}: a file named *{''.join(path.suffixes[-2:])} cannot be read; known are {known}")
    empty = True
    for number, record in readers[kind](path):
        place, empty = Place(path, number), False
        if not isinstance(record, dict):
            raise place.error(
                "(whole row)", record, "a row must be an object with named columns", "rewrite or remove it"
            )
        yield place, record
    if empty:
        raise RowError(f"{path}: no rows; remove the file from the sources or fill it")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked. Raises: RowError for one that is cut short or packed otherwise."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                yield stream  # type: ignore[misc]
        elif path.suffix == ".zst":
            with pa.input_stream(path, compression="zstd") as packed:
                yield io.BufferedReader(packed)
        else:
            with path.open("rb") as plain:
                yield plain
    except (EOFError, OSError, pa.ArrowInvalid) as error:
        raise RowError(f"{path}: cannot be read ({error}); was it cut short, or is it packed otherwise?") from error


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
        number = 1
        for batch in file.iter_batches(batch_size=BATCH):
            columns = [_values(column) for column in batch.columns]
            for i in range(batch.num_rows):
                yield number + i, {name: column[i] for name, column in zip(batch.schema.names, columns, strict=True)}
            number += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise RowError(f"{path}: not readable as Parquet ({error}); was it cut short?") from error


def _values(column: pa.Array) -> list[Any]:
    """The values of a column, one by one where some cannot be had (a time finer than a microsecond, bytes as text)."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, NotImplementedError, pa.ArrowException):
        return [_value(cell) for cell in column]


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except (ValueError, OverflowError, NotImplementedError, pa.ArrowException):
        return Unreadable(str(cell.type))


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise Place(path, number).error(
                    "(whole row)", line, f"not JSON ({error})", "mend or remove it"
                ) from error


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    with _opened(path) as stream:
        text = stream.read()
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise RowError(f"{path}: not JSON ({error}); a file with an object per line is named *.jsonl") from error
    if not isinstance(rows, list):
        raise RowError(f"{path}: holds one {type(rows).__name__}; a .json file of prompts holds a list of objects")
    yield from enumerate(rows, start=1)


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    """Cells are text, and None where they are empty; the first line names the columns."""
    csv.field_size_limit(sys.maxsize)
    number = 0
    with _opened(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            rows = csv.reader(text, delimiter="\t" if shards.kind(path) == ".tsv" else ",", strict=True)
            names = next(rows, [])
            if len(set(names)) < len(names):
                raise RowError(f"{path}: two columns have the same name among {names}; rename one of them")
            for number, cells in enumerate((row for row in rows if row), start=1):
                if len(cells) != len(names):
                    problem = f"{len(cells)} cells under {len(names)} names of columns"
                    raise Place(path, number).error("(whole row)", cells, problem, "put texts with commas in quotes")
                yield number, {name: cell or None for name, cell in zip(names, cells, strict=True)}
        except csv.Error as error:
            raise RowError(f"{path}: row {number + 1}: not CSV ({error}); write the file again") from error
        except UnicodeDecodeError as error:
            raise RowError(f"{path}: not text in UTF-8 ({error}); write the file again") from error
