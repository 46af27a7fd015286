"""Where every number comes from: what each run is; artifacts with keys, versions, machine, time and memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Prose, Section, Table, absent
from rlpipe.report.inputs import Data
from rlpipe.report.markup import NONE, count, escape, listing, run_name, seconds, size
from rlpipe.report.sections import resolved

ID, TITLE, SHORT = "provenance", "Where the numbers come from", "Provenance"
SHORT_KEY = 10
SCHEMA = {
    "artifact": pl.String,
    "key": pl.String,
    "command": pl.String,
    "commit": pl.String,
    "threads": pl.Int64,
    "wall_seconds": pl.Float64,
    "resumed": pl.Boolean,
    "peak_memory_bytes": pl.Int64,
}


def build(data: Data) -> Section:
    """The runs as configured, then a row per artifact, and in words what they ran on."""
    if not data.inputs:
        return absent(ID, TITLE, "This report has no inputs.", SHORT)
    blocks: list[Block] = [runs(data)] if any(data.run_settings(run) for run in data.runs) else []
    blocks += resolved.tables(data)
    return Section(ID, TITLE, [*blocks, artifacts(data), Prose(machines(data)), Prose(versions(data))], short=SHORT)


def runs(data: Data) -> Table:
    """Methods with their hyperparameters, and what a run changes of the shared settings."""
    rows, numbers = [], []
    for run in data.runs:
        settings = data.run_settings(run)
        stack, changes = _stack(settings), settings.get("train") or {}
        changed = ", ".join(f"{key} {resolved.value(value)}" for key, value in sorted(changes.items()))
        cells = [Cell(run_name(run, data.colours.slots[run])), Cell(escape(stack)), Cell(escape(changed) or NONE)]
        rows.append([*cells, Cell(escape(listing([str(seed) for seed in data.seeds[run]])))])
        numbers.append({"run": run, "methods": stack, "changes": changed, "seeds": json.dumps(data.seeds[run])})
    columns = [
        Column(name, number=False)
        for name in ("Run", "Methods, first to last", "Changes to the shared settings", "Seeds")
    ]
    caption = (
        "What each run is, as <code>params.yaml</code> has it; hyperparameters not named have the paper\u2019s value."
    )
    return Table("runs", columns, rows, caption, pl.DataFrame(numbers), sortable=False)


def _stack(settings: Mapping[str, Any]) -> str:
    """`grpo, clip_cov (fraction 0.005)`; phases with the share of the steps they end at."""
    phases = settings.get("phases") or [{"methods": settings.get("methods") or []}]
    words = []
    for phase in phases:
        until = f" until {100 * phase['until']:g} % of the steps" if phase.get("until") else ""
        words.append(", ".join(resolved.method(entry) for entry in phase["methods"]) + until)
    return "; then ".join(words)


def artifacts(data: Data) -> Table:
    """Key, wall time and memory of every input."""
    numbers = pl.DataFrame([_facts(data, name) for name in sorted(data.inputs)], schema=SCHEMA)
    columns = [
        Column("Artifact", number=False),
        Column("Key", "Hash of all it is made of: parameters, code and inputs; whole on hover", number=False),
        Column("Wall time"),
        Column("Peak memory"),
        Column("Threads"),
        Column("Commit", "Of the project when it was made; + where files differed from it", number=False),
    ]
    return Table(
        "provenance",
        columns,
        [_row(row) for row in numbers.iter_rows(named=True)],
        "Artifacts behind this page. <code>snakemake --cores all results/ARTIFACT.done</code> makes one again where "
        "it is out of date; <code>rlpipe explain results/ARTIFACT</code> says why it would be. The command that ran "
        "is shown on hover, and <code>receipt.json</code> in each holds its whole specification and a hash of every "
        "file.",
        numbers,
    )


def _facts(data: Data, name: str) -> dict[str, Any]:
    environment = data.environment(name)
    return {
        "artifact": name,
        "key": data.receipt(name).get("key"),
        "command": environment.get("command"),
        "commit": environment.get("commit"),
        "threads": environment.get("threads"),
        "wall_seconds": environment.get("wall_seconds"),
        "resumed": environment.get("resumed"),
        "peak_memory_bytes": environment.get("peak_memory_bytes"),
    }


def _row(row: Mapping[str, Any]) -> list[Cell]:
    key, commit = row["key"] or "", row["commit"] or ""
    dirty = "+" if commit.endswith("+") else ""
    time, memory = row["wall_seconds"], row["peak_memory_bytes"]
    return [
        Cell(f"<code>{escape(row['artifact'])}</code>", sort=row["artifact"], title=row["command"] or ""),
        Cell(f"<code>{escape(key[:SHORT_KEY])}</code>" if key else NONE, title=key),
        Cell(seconds(time), "after a resume" if row["resumed"] else "", "" if time is None else time),
        Cell(size(memory), sort="" if memory is None else memory),
        Cell(str(row["threads"] or NONE)),
        Cell(f"<code>{escape(commit[:8] + dirty)}</code>" if commit else NONE, title=commit),
    ]


def machines(data: Data) -> str:
    """The machine or machines in words; as many as were recorded differently."""
    found: dict[str, str] = {}
    for name in sorted(data.inputs):
        if text := _machine(data.environment(name).get("machine")):
            found.setdefault(text, name)
    if not found:
        return "No artifact records the machine it was made on."
    if len(found) == 1:
        return f"All artifacts were made on one kind of machine: {escape(next(iter(found)))}.{_elsewhere(data)}"
    each = "; ".join(f"{escape(text)} (<code>{escape(name)}</code> and others)" for text, name in found.items())
    return f"The artifacts were made on {len(found)} kinds of machine, so their times do not compare: {each}.{_elsewhere(data)}"


def _elsewhere(data: Data) -> str:
    """What another processor would make of it."""
    widths = {(data.environment(name).get("machine") or {}).get("kernels") for name in data.inputs} - {None}
    if widths == {"AVX2"}:
        return (
            " Kernels were pinned to AVX2 (<code>portable</code>), so that another x86 processor with AVX2 repeats every "
            "number to the bit with the same versions and threads; accelerators and other architectures do not."
        )
    named = listing(sorted(str(width) for width in widths))
    return f" Kernels were those of {named}: another processor ends with other policies." if widths else ""


def _machine(value: Any) -> str:
    """`2 cores of a ..., 16.8 GB memory, Linux x86_64, no accelerator`, as far as it was recorded."""
    if not isinstance(value, Mapping):
        return ""
    cores, processor, devices = value.get("cores"), value.get("processor"), value.get("devices")
    parts = [f"{count(int(cores), 'core')} of {processor}" if cores else str(processor or "")]
    if memory := value.get("memory_bytes"):
        parts.append(f"{size(float(memory))} memory")
    parts.append(" ".join(str(value[key]) for key in ("system", "architecture") if value.get(key)))
    if devices is not None:
        parts.append(listing([str(device) for device in devices]) or "no accelerator used")
    return ", ".join(part for part in parts if part)


def versions(data: Data) -> str:
    """Versions of what the artifacts were made with; those that differ are named with all their values."""
    found: dict[str, set[str]] = {}
    for name in data.inputs:
        recorded = data.environment(name).get("versions")
        for package, version in recorded.items() if isinstance(recorded, Mapping) else ():
            if version is not None:
                found.setdefault(package, set()).add(str(version))
    if not found:
        return "No artifact records the versions it was made with."
    listed = ", ".join(f"{escape(p)}\u00a0{escape(' and '.join(sorted(v)))}" for p, v in sorted(found.items()))
    mixed = sorted(package for package, several in found.items() if len(several) > 1)
    differ = f" {count(len(mixed), 'package differs', 'packages differ')} between artifacts: {escape(listing(mixed))}."
    return f"Versions: {listed}.{differ if mixed else ''}"
