"""Where every number comes from: artifacts, keys, versions, machine, time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from rlpipe.report.blocks import Cell, Column, Prose, Section, Table, absent
from rlpipe.report.data import Data
from rlpipe.report.markup import NONE, count, escape, listing, seconds, size

ID, TITLE, SHORT = "provenance", "Where the numbers come from", "Provenance"
SHORT_KEY = 10


def build(data: Data) -> Section:
    """A row per artifact, and in words what they ran on."""
    if not data.inputs:
        return absent(ID, TITLE, "This report has no inputs.", SHORT)
    numbers = provenance(data)
    columns = [
        Column("Artifact", number=False),
        Column("Key", "Hash of everything the artifact is made of: parameters, code and inputs", number=False),
        Column("Command", "Makes the artifact again where it is out of date", number=False),
        Column("Wall time"),
        Column("Peak memory"),
    ]
    rows = [_row(row) for row in numbers.iter_rows(named=True)]
    table = Table(
        "provenance",
        columns,
        rows,
        "Artifacts behind this page. Each holds a <code>receipt.json</code> with its key, its full specification and a hash of "
        "every file; <code>rlpipe explain ARTIFACT</code> says what would make it again.",
        numbers,
    )
    return Section(ID, TITLE, [Prose(_machines(data)), Prose(_versions(data)), table], short=SHORT)


def provenance(data: Data) -> pl.DataFrame:
    """Key, command, wall time in seconds and peak resident memory in bytes of every input; null where not recorded."""
    rows = []
    for name in sorted(data.inputs):
        receipt, environment = data.receipt(name), data.environment(name)
        rows.append(
            {
                "artifact": name,
                "key": receipt.get("key"),
                "command": f"snakemake --cores all results/{name}.done",
                "seconds": measured(environment, "seconds", "wall_seconds"),
                "peak_bytes": measured(environment, "peak_rss", "peak_bytes", "peak_rss_bytes"),
            }
        )
    types = {"artifact": pl.String, "key": pl.String, "command": pl.String, "seconds": pl.Float64, "peak_bytes": pl.Float64}
    return pl.DataFrame(rows, schema=types)


def measured(environment: Mapping[str, Any], *names: str) -> float | None:
    """The first of these that was recorded, as a number."""
    for name in names:
        value = environment.get(name)
        if isinstance(value, int | float):
            return float(value)
    return None


def _row(row: Mapping[str, Any]) -> list[Cell]:
    key = row["key"] or ""
    shown = f"<code>{escape(key[:SHORT_KEY])}</code>" if key else NONE
    return [
        Cell(f"<code>{escape(row['artifact'])}</code>", sort=row["artifact"]),
        Cell(shown, title=key),
        Cell(f"<code>{escape(row['command'])}</code>", tone="dim"),
        Cell(seconds(row["seconds"]), sort=row["seconds"] if row["seconds"] is not None else ""),
        Cell(size(row["peak_bytes"]), sort=row["peak_bytes"] if row["peak_bytes"] is not None else ""),
    ]


def _machines(data: Data) -> str:
    """The machine or machines in words; as many as were recorded differently."""
    machines = {_machine(data.environment(name).get("machine")): name for name in sorted(data.inputs, reverse=True)}
    machines.pop("", None)
    if not machines:
        return "No artifact records the machine it was made on."
    if len(machines) == 1:
        return f"All artifacts were made on one kind of machine: {escape(next(iter(machines)))}."
    each = "; ".join(f"{escape(machine)} (<code>{escape(name)}</code> and others)" for machine, name in sorted(machines.items()))
    return f"The artifacts were made on {len(machines)} kinds of machine, so their times do not compare: {each}."


def _machine(value: Any) -> str:
    """What an environment says of its machine, in whatever form it says it."""
    if isinstance(value, Mapping):
        parts = []
        for key, item in value.items():
            if item in (None, "", [], {}):
                continue
            text = size(float(item)) if "bytes" in key and isinstance(item, int | float) else _text(item)
            parts.append(f"{key.removesuffix('_bytes').replace('_', ' ')} {text}")
        return ", ".join(parts)
    return str(value or "")


def _text(item: Any) -> str:
    return listing([str(part) for part in item]) if isinstance(item, list | tuple) else str(item)


def _versions(data: Data) -> str:
    """Versions of what the artifacts were made with; those that differ are named with all their values."""
    found: dict[str, set[str]] = {}
    for name in data.inputs:
        versions = data.environment(name).get("versions")
        for package, version in (versions or {}).items() if isinstance(versions, Mapping) else ():
            found.setdefault(package, set()).add(str(version))
    if not found:
        return "No artifact records the versions it was made with."
    listed = ", ".join(f"{escape(p)}\u00a0{escape(' and '.join(sorted(v)))}" for p, v in sorted(found.items()))
    mixed = [package for package, versions in found.items() if len(versions) > 1]
    warning = f" {count(len(mixed), 'package differs', 'packages differ')} between artifacts: {escape(listing(sorted(mixed)))}." if mixed else ""
    return f"Versions: {listed}.{warning}"
