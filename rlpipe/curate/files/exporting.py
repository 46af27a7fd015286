"""prompts/1 and rollouts/1 in the layouts that other trainers and evaluators read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe import artifacts
from rlpipe.artifacts import PROMPTS, ROLLOUTS
from rlpipe.curate.files.prompt_rows import OWN, to_verl
from rlpipe.curate.files.records import Record

Row = Mapping[str, Any]


def _verl(row: Row, pure: bool) -> Record:
    own = {} if pure else {name: row[name] for name in (*OWN, "split", "difficulty")}
    return to_verl(row) | own


def _skyrl(row: Row, pure: bool) -> Record:
    """verl's row with `reward_model` renamed; `env_class` is the source's last word unless the row came with one."""
    record = _verl(row, pure)
    reward = record.pop("reward_model")
    spec = {("method" if name == "style" else name): value for name, value in reward.items()}
    return {"env_class": row["data_source"].rsplit("/", 1)[-1].lower(), **record, "reward_spec": spec}


def _trl(row: Row, pure: bool) -> Record:
    return {"prompt": _messages(row), "solution": _gold(row), "data_source": row["data_source"]}


def _open_instruct(row: Row, pure: bool) -> Record:
    gold = to_verl(row)["reward_model"]["ground_truth"]
    plain = isinstance(gold, str) or (isinstance(gold, list) and all(isinstance(g, str) for g in gold))
    return {"messages": _messages(row), "ground_truth": gold if plain else _gold(row), "dataset": row["data_source"]}


def _verifiers(row: Row, pure: bool) -> Record:
    info = {"prompt_id": row["prompt_id"], "split": row["split"], "difficulty": row["difficulty"]}
    return {"prompt": _messages(row), "answer": _gold(row), "info": info, "task": row["data_source"]}


LAYOUTS: dict[str, Callable[[Row, bool], Record]] = {
    "verl": _verl,
    "skyrl": _skyrl,
    "trl": _trl,
    "open-instruct": _open_instruct,
    "verifiers": _verifiers,
}


def _messages(row: Row) -> list[dict[str, str]]:
    return [dict(message) for message in row["prompt"]]


def _gold(row: Row) -> str:
    return row["reward_model"]["ground_truth"]


def export_prompts(
    path: Path | str, out: Path | str, layout: str, pure: bool = False, split: str | None = None
) -> list[str]:
    """Write the prompts of a file (prompts/1), of one `split` if given, to `out`: *.jsonl or *.parquet.

    `pure` leaves out the columns that are ours (verl, skyrl); the other layouts never have them.

    Returns: the columns whose values are of several types and were written as JSON text, as Parquet can hold one type
    each; always none for JSONL.
    Raises: ArtifactError for a file that is not prompts/1; ValueError for an unknown layout or ending, or no prompts.
    """
    out = Path(out)
    if layout not in LAYOUTS:
        raise ValueError(f"layout '{layout}' is not one of {', '.join(LAYOUTS)}")
    if out.suffix not in (".jsonl", ".parquet"):
        raise ValueError(f"{out}: a file named *{out.suffix} cannot be written; name it *.jsonl or *.parquet")
    rows = (row for frame in artifacts.stream(path, PROMPTS) for row in frame.iter_rows(named=True))
    chosen = (_whole(row) for row in rows if split is None or row.get("split") == split)
    written = (LAYOUTS[layout](row, pure) for row in chosen)
    first = next(written, None)
    if first is None:
        raise ValueError(f"{path}: no prompts" + (f" in split '{split}'" if split else ""))
    if out.suffix == ".parquet":
        return write_parquet(out, [first, *written])
    write_jsonl(out, chain([first], written))
    return []


def _whole(row: Row) -> Record:
    return {name: row.get(name) for name in PROMPTS.arrow().names}


def write_jsonl(out: Path, rows: Iterable[Row]) -> int:
    """One object per line, through a temporary name. Returns: number of rows."""
    temporary, count = out.with_name(out.name + ".part"), 0
    try:
        with temporary.open("w", encoding="utf-8") as lines:
            for row in rows:
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def write_parquet(out: Path, rows: list[Record]) -> list[str]:
    """Rows with the types they come with; a value that is of several types in its column is written as JSON text.

    Returns: names of those columns, dotted inside structs.
    """
    mixed: list[str] = []
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column([row.get(name) for row in rows], name, mixed) for name in names}
    kept = {name: column for name, column in columns.items() if column is not None}
    temporary = out.with_name(out.name + ".part")
    try:
        pq.write_table(pa.table(kept), temporary, compression="zstd")
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return mixed


def _column(values: list[Any], name: str, mixed: list[str]) -> pa.Array | None:
    """An array of one type; None where every value is an empty struct, which Parquet cannot hold."""
    if any(isinstance(v, Mapping) for v in values) and all(v is None or isinstance(v, Mapping) for v in values):
        fields = dict.fromkeys(field for v in values if v for field in v)
        parts = {f: _column([v.get(f) if v else None for v in values], f"{name}.{f}", mixed) for f in fields}
        kept = {field: part for field, part in parts.items() if part is not None}
        if not kept:
            return None
        return pa.StructArray.from_arrays(list(kept.values()), list(kept), mask=pa.array([v is None for v in values]))
    try:
        array = pa.array(values)
        if not _has_empty_struct(array.type):
            return array.cast(pa.string()) if pa.types.is_null(array.type) else array
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass  # several types: written as text below, and reported
    mixed.append(name)
    return pa.array([v if v is None or isinstance(v, str) else json.dumps(v, sort_keys=True) for v in values])


def _has_empty_struct(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_empty_struct(field.type) for field in kind)
    return pa.types.is_list(kind) and _has_empty_struct(kind.value_type)


def export_rollouts(path: Path | str, out: Path | str, prompts: Path | str | None = None) -> int:
    """Write rollouts/1 as the JSONL that verl dumps, one object per rollout: input, output, gts, score, step, and more.

    `gts` is the reference answer out of `prompts` (prompts/1), null where that is not given.

    Returns: number of rollouts.
    Raises: ArtifactError for a file of another schema.
    """
    golds: dict[str, str] = {}
    if prompts is not None:
        frame = artifacts.read(prompts, PROMPTS, ["prompt_id", "reward_model"])
        golds = {row[0]: row[1]["ground_truth"] for row in frame.iter_rows()}
    return write_jsonl(Path(out), (_dumped(row, golds) for row in _rollouts(path)))


def _rollouts(path: Path | str) -> Iterator[Row]:
    for frame in artifacts.stream(path, ROLLOUTS):
        yield from frame.iter_rows(named=True)


def _dumped(row: Row, golds: Mapping[str, str]) -> Record:
    single = len(row["prompt"]) == 1
    text = row["prompt"][0]["content"] if single else "\n".join(f"{m['role']}: {m['content']}" for m in row["prompt"])
    more = ("prompt_id", "data_source", "sample_index", "acc", "finish_reason", "verifier_status")
    return {
        "input": text,
        "output": row["response"],
        "gts": golds.get(row["prompt_id"]),
        "score": row["reward"],
        "step": row["policy_step"],
    } | {name: row[name] for name in more if name in row}
