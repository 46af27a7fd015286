"""What every run was trained with in the end, as its receipt says: methods, hyperparameters, shared settings, overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from rlpipe.report.blocks import Cell, Column, Table
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, escape, run_name


def tables(data: Data) -> list[Table]:
    """Methods and settings as resolved, folded; none where no receipt holds them."""
    notes = {run: found for run in data.runs if (found := _notes(data, run))}
    return [_methods(data, notes), _settings(data, notes)] if notes else []


def _notes(data: Data, run: str) -> dict[str, Any]:
    """What the training stage noted of a run; seeds share it."""
    for name in data.names("train", run):
        notes = data.receipt(name).get("notes")
        if isinstance(notes, dict) and notes.get("phases"):
            return notes
    return {}


def _methods(data: Data, notes: Mapping[str, Mapping[str, Any]]) -> Table:
    rows, numbers = [], []
    for run, found in notes.items():
        for phase in found["phases"]:
            until = f"{100 * phase['until']:g} % of the steps" if phase.get("until") else "the end"
            stack = [method(entry) for entry in phase["methods"]]
            changes = "; ".join(phase.get("changes") or [])
            cells = [Cell(run_name(run, data.colours.slots[run])), Cell(until), Cell("<br>".join(map(escape, stack)))]
            rows.append([*cells, Cell(escape(changes) or NONE)])
            numbers.append({"run": run, "until": phase.get("until"), "methods": "; ".join(stack), "changes": changes})
    columns = [Column("Run", number=False), Column("Until", number=False)]
    columns += [Column("Methods with all hyperparameters", number=False, wide=True)]
    columns += [Column("What one method changes of another", number=False, wide=True)]
    caption = "Methods as they were resolved, published values included, and every slot that one replaced or wrapped."
    frame = pl.DataFrame(numbers, infer_schema_length=None)
    return Table("methods-resolved", columns, rows, caption, frame, sortable=False, folded="Methods as resolved")


def _settings(data: Data, notes: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row per setting of `train`, a column per run; values that differ between runs stand out."""
    keys = dict.fromkeys(key for found in notes.values() for key in found.get("train") or {})
    rows, numbers = [], []
    for key in keys:
        values = {run: value((found.get("train") or {}).get(key)) for run, found in notes.items()}
        tone = "mark" if len(set(values.values())) > 1 else ""
        rows.append([Cell(f"<code>{escape(key)}</code>"), *(Cell(escape(v), tone=tone) for v in values.values())])
        numbers += [{"setting": key, "run": run, "value": v} for run, v in values.items()]
    columns = [Column("Setting", number=False), *(Column(run) for run in notes)]
    caption = "Settings of training as they were resolved for each run; those that differ are marked."
    frame = pl.DataFrame(numbers, schema={"setting": pl.String, "run": pl.String, "value": pl.String})
    return Table("settings-resolved", columns, rows, caption, frame, sortable=False, folded="Settings as resolved")


def method(entry: str | Mapping[str, Any]) -> str:
    """`clip_cov (fraction 0.005)`."""
    if isinstance(entry, str):
        return entry
    described = []
    for name, values in entry.items():
        inside = ", ".join(f"{key} {value(given)}" for key, given in (values or {}).items())
        described.append(f"{name} ({inside})" if inside else name)
    return ", ".join(described)


def value(given: Any) -> str:
    """A value as a reader would write it."""
    return f"{given:g}" if isinstance(given, float) else str(given)
