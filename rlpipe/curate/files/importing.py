"""Prompt files of any known layout, row by row as prompts/1, and whole files of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe import artifacts
from rlpipe.artifacts import PROMPTS, TableWriter
from rlpipe.curate.files.layouts import ADAPTERS, Request, adapt, detect
from rlpipe.curate.files.prompt_rows import to_row
from rlpipe.curate.files.records import Place, Record, RowError, records
from rlpipe.overlap import normalize

ROWS = 4096
FORMATS = ("auto", "rlpipe", *sorted(ADAPTERS))


@dataclass
class ImportReport:
    """What an import found: rows read and written, rows left out by reason, prompts by data source."""

    format: str = ""
    read: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    same_words: int = 0  # prompts whose norm_hash another prompt written here has too


def prompt_rows(
    path: Path | str, format: str = "auto", data_source: str | None = None
) -> Iterator[tuple[Place, str, Record | None]]:
    """Place, layout and row (prompts/1) of every row of a file; the row is None where it has no answer.

    Raises: RowError naming file, row, column, value and remedy, at the first row that is malformed.
    """
    path = Path(path)
    if format not in FORMATS:
        raise RowError(f"{path}: format '{format}' is not one of {', '.join(FORMATS)}")
    if format == "rlpipe" or (format == "auto" and _is_ours(path)):
        yield from _own_rows(path)
        return
    layout = None if format == "auto" else format
    for place, record in records(path):
        layout = layout or detect(record, place)
        level = record.get("level") if layout in ("math", "math_solution") else None
        verl = adapt(record, layout, Request(place, data_source))
        yield place, layout, to_row(verl, place, None if level is None else str(level))


def _is_ours(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    try:
        return (pq.read_schema(path).metadata or {}).get(b"rlpipe.schema", b"").startswith(b"prompts/")
    except (pa.ArrowInvalid, OSError):
        return False  # `records` says what is wrong with the file


def _own_rows(path: Path) -> Iterator[tuple[Place, str, Record]]:
    number = 0
    for frame in artifacts.stream(path, PROMPTS):
        for row in frame.iter_rows(named=True):
            number += 1
            place = Place(path, number)
            if normalize.prompt_id(row["prompt"]) != row["prompt_id"]:
                problem = "not the id of the messages beside it"
                raise place.error("prompt_id", row["prompt_id"], problem, "make the file again")
            yield place, "rlpipe", {name: row.get(name) for name in PROMPTS.arrow().names}


def import_prompts(
    path: Path | str, out: Path | str, format: str = "auto", data_source: str | None = None, split: str | None = None
) -> ImportReport:
    """Write a prompt file as prompts/1, each prompt once, in the order of the file; `split` fills the column `split`.

    Two passes in bounded memory. Rows without an answer, repeated prompts, and every row of a prompt that comes with
    more than one answer are left out and counted.

    Raises: RowError as `prompt_rows`, before anything is written.
    """
    report = ImportReport()
    golds: dict[str, set[str]] = {}
    hashes: Counter[str] = Counter()
    for _, layout, row in prompt_rows(path, format, data_source):
        report.read += 1
        report.format = layout
        if row is not None:
            known = golds.setdefault(row["prompt_id"], set())
            hashes[row["norm_hash"]] += not known
            known.add(row["reward_model"]["ground_truth"])
    report.same_words = sum(n for n in hashes.values() if n > 1)
    with TableWriter(Path(out), PROMPTS) as writer:
        chunk: list[Record] = []
        for _, _, row in prompt_rows(path, format, data_source):
            reason = _left_out(row, golds)
            if reason or row is None:
                report.left_out[reason] += 1
                continue
            golds[row["prompt_id"]] = set()
            chunk.append(row if split is None else row | {"split": split})
            report.sources[row["data_source"]] += 1
            report.written += 1
            if len(chunk) >= ROWS:
                writer.write(chunk)
                chunk = []
        writer.write(chunk)
    return report


def _left_out(row: Record | None, golds: dict[str, set[str]]) -> str:
    """Why a row is left out; empty if it is not. Prompts written before have no golds left."""
    if row is None:
        return "no answer"
    known = golds[row["prompt_id"]]
    if not known:
        return "prompt repeated"
    return "prompt with several answers" if len(known) > 1 else ""
