"""Prompt files of any layout, row by row as prompts/1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe import artifacts
from rlpipe.artifacts import PROMPTS
from rlpipe.curate.files.answers import LeftOut, is_placeholder, judged_by_answer
from rlpipe.curate.files.layouts import ADAPTERS, Request, adapt, conversation, loose
from rlpipe.curate.files.prompt_rows import to_row
from rlpipe.curate.files.records import Place, Record, RowError, files, records
from rlpipe.curate.files.shards import is_pattern
from rlpipe.curate.files.tables.columns import Columns
from rlpipe.curate.files.tables.known import FORMATS, TABLES
from rlpipe.curate.files.tables.recognise import HEAD, Head, check_parts, recognise, unknown
from rlpipe.curate.files.tables.rows import level_of, table_row
from rlpipe.overlap import normalize

NO_SOURCE = "name the data source (--data-source, or data_source in curate.sources)"
Read = tuple[Place, str, Record | LeftOut]


@dataclass(frozen=True)
class Reading:
    """What the caller says of a file: its layout, the data source of its rows, which columns are what."""

    format: str = "auto"
    data_source: str | None = None
    columns: Columns = field(default_factory=Columns)


def prompt_rows(path: Path | str, reading: Reading | None = None) -> Iterator[Read]:
    """Place, layout and row (prompts/1) of every row of a file, a folder of files, or the files of a pattern.

    In place of a row without a reference answer, or with a word such as `proof` for one, stands why it is left out.

    Raises: RowError naming file, row, column, value and remedy, at the first row that is malformed.
    """
    reading = reading or Reading()
    if reading.format not in FORMATS:
        raise RowError(f"{path}: format '{reading.format}' is not one of {', '.join(FORMATS)}")
    ours = [file for file in files(path) if reading.format in ("auto", "rlpipe") and _is_ours(file)]
    if ours or reading.format == "rlpipe":
        rows: Iterator[Read] = chain.from_iterable(map(_own_rows, files(path)))
    else:
        rows = _foreign_rows(path, reading)
    for place, layout, row in rows:
        yield place, layout, _unless_placeholder(row)


def _unless_placeholder(row: Record | LeftOut) -> Record | LeftOut:
    if isinstance(row, LeftOut):
        return row
    gold = row["reward_model"]["ground_truth"]
    if is_placeholder(gold) and judged_by_answer(row["data_source"]):
        return LeftOut("placeholder for a reference answer", repr(gold))
    return row


def _is_ours(path: Path) -> bool:
    if path.suffix != ".parquet":
        return False
    try:
        return (pq.read_schema(path).metadata or {}).get(b"rlpipe.schema", b"").startswith(b"prompts/")
    except (pa.ArrowInvalid, OSError):
        return False  # `records` says what is wrong with the file


def _own_rows(path: Path) -> Iterator[Read]:
    number = 0
    for frame in artifacts.stream(path, PROMPTS):
        for row in frame.iter_rows(named=True):
            number += 1
            place = Place(path, number)
            if normalize.prompt_id(row["prompt"]) != row["prompt_id"]:
                problem = "not the id of the messages beside it"
                raise place.error("prompt_id", row["prompt_id"], problem, "make the file again")
            yield place, "rlpipe", {name: row.get(name) for name in PROMPTS.arrow().names}


def _foreign_rows(path: Path | str, reading: Reading) -> Iterator[Read]:
    rows = records(path)
    head = list(islice(rows, HEAD))
    layout, read = _reader(path, head, reading)
    for place, record in chain(head, rows):
        yield place, layout, read(record, place)


Reader = Callable[[Record, Place], Record | LeftOut]


def _reader(path: Path | str, head: list[tuple[Place, Record]], reading: Reading) -> tuple[str, Reader]:
    """The layout of a file by its first rows, and what reads its rows."""
    first, said, layout = head[0][1], reading.columns, reading.format
    if layout == "auto" and said.whole:
        layout = "columns"
    elif layout == "auto":
        layout = (None if said.given else conversation(first)) or _table_or_loose(path, head, reading)
    if layout in ADAPTERS:
        if said.given:
            raise RowError(f"{path}: columns {said.given} are said of a file in the layout {layout}, which has its own")
        return layout, lambda record, place: to_row(adapt(record, layout, Request(place, reading.data_source)), place)
    table = TABLES.get(layout)
    columns = said.over(table.columns) if table else said
    if reading.data_source is not None:
        columns = columns.model_copy(update={"source": None})
    source = reading.data_source or (table.source if table else None) or _named_after(path, columns)
    guessed = reading.format == "auto" and not said.whole

    def read(record: Record, place: Place) -> Record | LeftOut:
        row = table_row(record, columns, source, place)
        if isinstance(row, LeftOut):
            return row
        if guessed:
            check_parts(record, columns, row["prompt"][0]["content"], place)
        return to_row(row, place, level_of(record, columns))

    return layout, read


def _table_or_loose(path: Path | str, head: list[tuple[Place, Record]], reading: Reading) -> str:
    """Raises: RowError where neither fits."""
    table = recognise(Head(head, reading.columns, reading.data_source or _stem(path)))
    layout = table or (None if reading.columns.given else loose(head[0][1]))
    if layout is None:
        raise unknown(*head[0])
    return layout


def _stem(path: Path | str) -> str:
    """A name for the rows of a file: the file's without its endings, the folder's, or that of a pattern's folder."""
    path = Path(path).parent if is_pattern(path) else Path(path)
    return path.name.partition(".")[0] or "problems"


def _named_after(path: Path | str, columns: Columns) -> str:
    """Raises: RowError for a name that would select a verifier of programs or families, where no column names a source."""
    name = _stem(path)
    if not judged_by_answer(name) and (columns.source is None or columns.source.endswith("?")):
        raise RowError(f"{path}: '{name}' as data source selects a verifier of its own; {NO_SOURCE}")
    return name
