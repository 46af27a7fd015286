"""Rows of Parquet, JSON and JSONL files, each with its place, so that whatever is wrong can be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Record = dict[str, Any]
SHOWN = 80  # characters of a bad value in a message


class RowError(ValueError):
    """A file or a row that is not what it should be; the message names file, row, column, value and remedy."""


@dataclass(frozen=True)
class Place:
    """A row of a file, counted from 1; in JSONL that is the line."""

    path: Path
    row: int

    def __str__(self) -> str:
        return f"{self.path}:{self.row}"

    def error(self, column: str, value: object, problem: str, remedy: str) -> RowError:
        shown = repr(value)
        shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
        return RowError(f"{self.path}: row {self.row}: column '{column}' is {shown}: {problem}; {remedy}")


def records(path: Path | str) -> Iterator[tuple[Place, Record]]:
    """The rows of a file, one at a time.

    Raises: RowError for a file that is absent, empty, cut short or of another kind, and for a row that is no object.
    """
    path = Path(path)
    if not path.is_file():
        raise RowError(f"{path}: no such file; paths are relative to the project")
    readers = {".parquet": _parquet, ".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json}
    if path.suffix not in readers:
        raise RowError(f"{path}: a file named *{path.suffix} cannot be read; known are {', '.join(sorted(readers))}")
    empty = True
    for number, record in readers[path.suffix](path):
        place, empty = Place(path, number), False
        if not isinstance(record, dict):
            raise place.error(
                "(whole row)", record, "a row must be an object with named columns", "rewrite or remove it"
            )
        yield place, record
    if empty:
        raise RowError(f"{path}: no rows; remove the file from the sources or fill it")


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
        number = 1
        for batch in file.iter_batches(batch_size=2048):
            yield from enumerate(batch.to_pylist(), start=number)
            number += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise RowError(f"{path}: not readable as Parquet ({error}); was it cut short?") from error


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as lines:
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
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        raise RowError(f"{path}: not JSON ({error}); a file with an object per line is named *.jsonl") from error
    if not isinstance(rows, list):
        raise RowError(f"{path}: holds one {type(rows).__name__}; a .json file of prompts holds a list of objects")
    yield from enumerate(rows, start=1)
