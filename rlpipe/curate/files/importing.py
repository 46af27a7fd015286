"""Whole prompt files of any layout as prompts/1, and a look at their first rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rlpipe.artifacts import PROMPTS, TableWriter
from rlpipe.curate.files.answers import LeftOut, agree
from rlpipe.curate.files.reading import Reading, prompt_rows
from rlpipe.curate.files.records import Place, Record
from rlpipe.curate.files.tables.columns import Columns

ROWS = 4096


@dataclass
class ImportReport:
    """What an import found: rows read and kept, rows left out by reason and the first of each, prompts by data source."""

    format: str = ""
    read: int = 0
    written: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)  # reason -> place and what stood there
    sources: Counter[str] = field(default_factory=Counter)
    same_words: int = 0  # prompts whose norm_hash another prompt written here has too

    def leave_out(self, place: Place, reason: str, detail: str) -> None:
        self.left_out[reason] += 1
        self.first.setdefault(reason, f"{place}{': ' if detail else ''}{detail}")

    def in_words(self) -> list[str]:
        """Lines: prompts by data source, then `losses`."""
        return [f"  {source}: {count}" for source, count in sorted(self.sources.items())] + self.losses()

    def losses(self) -> list[str]:
        """Lines: rows left out by reason, with the first of each."""
        return [f"  left out, {why}: {n}; first {self.first[why]}" for why, n in sorted(self.left_out.items())]


def import_prompts(
    path: Path | str,
    out: Path | str,
    format: str = "auto",
    data_source: str | None = None,
    split: str | None = None,
    columns: Columns | None = None,
) -> ImportReport:
    """Write prompt files as prompts/1, each prompt once, in their order; `split` fills the column `split`.

    Two passes in bounded memory. Rows without an answer, repeated prompts, and every row of a prompt that comes with
    more than one answer are left out and counted; one answer in several spellings is one.

    Raises: RowError as `prompt_rows`, before anything is written.
    """
    reading = Reading(format, data_source, columns or Columns())
    report, torn = _survey(path, reading)
    with TableWriter(Path(out), PROMPTS) as writer:
        chunk: list[Record] = []
        for row in _kept(path, reading, report, torn):
            chunk.append(row if split is None else row | {"split": split})
            if len(chunk) >= ROWS:
                writer.write(chunk)
                chunk = []
        writer.write(chunk)
    return report


def preview(path: Path | str, reading: Reading, rows: int) -> tuple[ImportReport, list[Record]]:
    """What an import would find, and the first `rows` it would write. Raises: RowError as `prompt_rows`."""
    report, torn = _survey(path, reading)
    kept = _kept(path, reading, report, torn)
    first = list(islice(kept, rows))
    for _ in kept:
        pass  # counted
    return report, first


def _survey(path: Path | str, reading: Reading) -> tuple[ImportReport, set[str]]:
    """The first pass: what there is, and the ids of prompts that come with answers which do not agree."""
    report = ImportReport()
    golds: dict[str, set[str]] = {}
    sources: dict[str, str] = {}  # of prompts with several spellings of their answer
    hashes: Counter[str] = Counter()
    for _, layout, row in prompt_rows(path, reading):
        report.read += 1
        report.format = layout
        if not isinstance(row, LeftOut):
            known = golds.setdefault(row["prompt_id"], set())
            hashes[row["norm_hash"]] += not known
            known.add(row["reward_model"]["ground_truth"])
            if len(known) > 1:
                sources[row["prompt_id"]] = row["data_source"]
    report.same_words = sum(n for n in hashes.values() if n > 1)
    return report, {name for name, source in sources.items() if not agree(source, golds[name])}


def _kept(path: Path | str, reading: Reading, report: ImportReport, torn: set[str]) -> Iterator[Record]:
    """The second pass: rows to write; the others are counted in the report."""
    seen: set[str] = set()
    for place, _, row in prompt_rows(path, reading):
        if isinstance(row, LeftOut):
            report.leave_out(place, row.reason, row.detail)
        elif row["prompt_id"] in torn:
            report.leave_out(place, "prompt with several answers", repr(row["reward_model"]["ground_truth"]))
        elif row["prompt_id"] in seen:
            report.leave_out(place, "prompt repeated", "")
        else:
            seen.add(row["prompt_id"])
            report.sources[row["data_source"]] += 1
            report.written += 1
            yield row
