"""The Parquet tables: one schema per artifact, checked on write and on read.

Every file carries `rlpipe.schema = <name>/<major>` in its metadata. Readers refuse another schema or a higher major
version, accept missing nullable columns, and keep extra columns only where the schema is open (per-step metrics).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
ROW_GROUP_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Schema:
    """`required` columns must be there and hold no null; `nullable` ones may be missing when read."""

    name: str
    version: int
    required: Mapping[str, pa.DataType]
    nullable: Mapping[str, pa.DataType]
    open: bool = False  # further float64 columns are allowed

    @property
    def tag(self) -> str:
        return f"{self.name}/{self.version}"

    def arrow(self) -> pa.Schema:
        columns = [pa.field(n, t, nullable=False) for n, t in self.required.items()]
        columns += [pa.field(n, t) for n, t in self.nullable.items()]
        return pa.schema(columns, metadata={"rlpipe.schema": self.tag})


S, I32, I64, F64, F32, BOOL = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.float32(), pa.bool_()

PROMPTS = Schema(
    "prompts",
    1,
    {
        "prompt_id": S,
        "norm_hash": S,
        "data_source": S,
        "prompt": MESSAGES,
        "reward_model": pa.struct([("style", S), ("ground_truth", S)]),
        "extra_info": pa.struct([("split", S), ("index", S)]),
        "metadata_json": S,
    },
    {"ability": S, "split": S, "difficulty": S},
)
DEMONSTRATIONS = Schema(
    "demonstrations", 1, {"prompt_id": S, "data_source": S, "prompt": MESSAGES, "response": S}, {"difficulty": S}
)
REJECTED = Schema(
    "rejected",
    1,
    {"stage": S, "reason": S, "data_source": S, "row": S},
    {"prompt_id": S, "collided_with": S, "score": F64, "detail": S, "text": S},
)
ROLLOUTS = Schema(
    "rollouts",
    1,
    {"run_id": S, "model_id": S, "policy_step": I64, "prompt_id": S, "data_source": S, "sample_index": I32}
    | {"prompt": MESSAGES, "response": S, "reward": F64, "acc": BOOL, "finish_reason": S},
    {"group_id": S, "response_ids": pa.list_(I32), "logprobs": pa.list_(F32), "entropies": pa.list_(F32)}
    | {"n_prompt_tokens": I32, "n_response_tokens": I32, "sampling_json": S, "seed": I64}
    | {"extracted_answer": S, "canonical_answer": S, "canonical_solution": S, "reward_components": pa.map_(S, F64)}
    | {"verifier": S, "verifier_version": S, "verifier_status": S, "advantage": F64}
    | {"created_at": pa.timestamp("us", "UTC"), "info_json": S, "difficulty": S}
    | {"agent": S, "stop": S, "parent": I32, "branched_at": I32, "turns": pa.list_(S)}
    | {"trajectory_ids": pa.list_(I32), "trajectory_mask": pa.list_(BOOL)},
)
STEPS = Schema(
    "steps",
    1,
    {"step": I64}
    | dict.fromkeys(["reward", "pass@1", "zero_variance_share", "token_entropy", "answer_entropy"], F64)
    | dict.fromkeys(["response_length", "truncation_rate", "clip_fraction", "grad_norm"], F64),
    dict.fromkeys(["kl_reference", "logprob_gap_mean", "logprob_gap_p999"], F64),
    open=True,
)
TIMINGS = Schema("timings", 1, {"step": I64}, {}, open=True)
SFT_STEPS = Schema("sft_steps", 1, {"step": I64, "loss": F64, "learning_rate": F64}, {"tokens": I64}, open=True)
EVAL = Schema(
    "eval",
    1,
    {"run_id": S, "model_id": S, "benchmark": S, "metric": S, "ci_method": S, "n_problems": I32, "n_samples": I32},
    {"policy_step": I64, "split": S, "k": I32, "value": F64, "se": F64, "ci_lo": F64, "ci_hi": F64, "n_boot": I32}
    | {"seed": I64, "verifier": S, "verifier_version": S, "no_answer_rate": F64, "truncation_rate": F64}
    | {"verifier_error_rate": F64, "mean_response_tokens": F64, "total_tokens": I64, "wall_seconds": F64}
    | {"sampling_json": S, "created_at": pa.timestamp("us", "UTC"), "info_json": S},
)
PROBLEMS = Schema(  # one row per policy and prompt, a column per metric: `pass@8`, `token_entropy`
    "problems",
    1,
    {"run_id": S, "model_id": S, "prompt_id": S, "data_source": S, "n": I32},
    {"policy_step": I64, "difficulty": S},
    open=True,
)
CONTAMINATION = Schema(
    "contamination",
    1,
    {"record_type": S, "method": S, "decision": S},
    {"method_version": S, "params_json": S, "train_set": S, "train_id": S, "eval_set": S, "eval_id": S, "n": I32}
    | {"score": F64, "coverage": F64, "threshold": F64, "direction": I32, "label": BOOL, "model_id": S}
    | {"policy_step": I64, "matched_span": S, "train_count": I32, "reason": S}
    | {"created_at": pa.timestamp("us", "UTC"), "info_json": S},
)
PROBES = Schema(
    "probes",
    1,
    {"model_id": S, "prompt_id": S, "label": BOOL, "pass": S, "response": S},
    {"data_source": S, "difficulty": S, "policy_step": I64, "response_ids": pa.list_(I32), "logprobs": pa.list_(F32)}
    | {"entropies": pa.list_(F32), "means": pa.list_(F32), "variances": pa.list_(F32), "topk": I32}
    | {"truncated": BOOL, "acc": BOOL, "sample_index": I32, "info_json": S},
)


class ArtifactError(ValueError):
    """A table that does not have the schema it should have; the message names file, column and remedy."""


def to_table(rows: Sequence[Mapping[str, Any]] | pl.DataFrame | pa.Table, schema: Schema, where: str = "") -> pa.Table:
    """Rows as a table of exactly this schema.

    Raises: ArtifactError for a missing or unknown column, a null in a required one, or a value of another type.
    """
    if isinstance(rows, pa.Table):
        columns = {name: rows[name] for name in rows.column_names}
    elif isinstance(rows, pl.DataFrame):
        columns = {name: rows[name].to_arrow() for name in rows.columns}
    else:
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
    arrow = schema.arrow()
    unknown = [name for name in columns if name not in arrow.names]
    if unknown and not schema.open:
        raise ArtifactError(f"{where or schema.tag}: unknown columns {unknown}; {schema.tag} has {arrow.names}")
    for name in unknown:
        arrow = arrow.append(pa.field(name, F64))
    n = len(next(iter(columns.values()))) if columns else 0
    arrays = [_column(columns.get(f.name), f, n, where or schema.tag) for f in arrow]
    return pa.Table.from_arrays(arrays, schema=arrow)


def _column(values: Any, f: pa.Field, n: int, where: str) -> Any:
    if values is None:
        if not f.nullable and n:
            raise ArtifactError(f"{where}: column '{f.name}' is missing")
        return pa.nulls(n, f.type)
    try:
        array = values.cast(f.type) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, f.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ArtifactError(f"{where}: column '{f.name}' should be {f.type}: {error}") from error
    if not f.nullable and array.null_count:
        row = array.is_null().to_pylist().index(True)
        raise ArtifactError(f"{where}: column '{f.name}' is null in row {row}; it must have a value")
    return array


class TableWriter:
    """Writes a table part by part, to a temporary name that is moved into place on `close`."""

    def __init__(self, path: Path, schema: Schema):
        self.path, self.schema = Path(path), schema
        self.temporary = self.path.with_name(self.path.name + ".part")
        self.writer: pq.ParquetWriter | None = None

    def write(self, rows: Sequence[Mapping[str, Any]] | pl.DataFrame | pa.Table) -> None:
        table = to_table(rows, self.schema, str(self.path))
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.temporary, table.schema, compression="zstd")
        bytes_per_row = max(1, table.nbytes // max(1, len(table)))
        self.writer.write_table(table, row_group_size=max(1, ROW_GROUP_BYTES // bytes_per_row))

    def close(self) -> None:
        if self.writer is None:
            self.write([])
        assert self.writer is not None
        self.writer.close()
        os.replace(self.temporary, self.path)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        elif self.writer is not None:
            self.writer.close()
            self.temporary.unlink(missing_ok=True)


def write(path: Path | str, schema: Schema, rows: Sequence[Mapping[str, Any]] | pl.DataFrame | pa.Table) -> None:
    """A whole table at once; complete or absent.

    Raises: ArtifactError if the rows do not have the schema.
    """
    with TableWriter(Path(path), schema) as writer:
        writer.write(rows)


def check(path: Path | str, schema: Schema) -> pa.Schema:
    """The file's columns, after checking its tag.

    Raises: ArtifactError naming the file, the schema found and the one expected, or the column that is missing or of
    another type.
    """
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    try:
        found = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path}: not a Parquet file ({error}); was it cut short?") from error
    tag = (found.metadata or {}).get(b"rlpipe.schema", b"none").decode()
    name, _, version = tag.partition("/")
    if name != schema.name or not version.isdigit() or int(version) > schema.version:
        raise ArtifactError(
            f"{path}: schema is '{tag}', expected '{schema.tag}'; `rlpipe import` converts other layouts"
        )
    for column in schema.required:
        if column not in found.names:
            raise ArtifactError(f"{path}: column '{column}' is missing ({schema.tag})")
    for field in schema.arrow():
        if field.name in found.names and not _same_type(found.field(field.name).type, field.type):
            is_type = found.field(field.name).type
            raise ArtifactError(f"{path}: column '{field.name}' is {is_type}, not {field.type} as in {schema.tag}")
    return found


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal up to what other writers choose: wide offsets, views, order of fields, names of list items."""
    if pa.types.is_string(wanted):
        return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)
    if pa.types.is_list(wanted):
        lists = pa.types.is_list(found) or pa.types.is_large_list(found)
        return lists and _same_type(found.value_type, wanted.value_type)
    if pa.types.is_struct(wanted):
        fields = {f.name: f.type for f in found} if pa.types.is_struct(found) else {}
        return fields.keys() == {f.name for f in wanted} and all(_same_type(fields[f.name], f.type) for f in wanted)
    return bool(found == wanted)


def read(path: Path | str, schema: Schema, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table as a polars frame; missing nullable columns come as nulls.

    Raises: ArtifactError as `check`, and for a null where there must be a value.
    """
    found = check(path, schema)
    wanted = list(columns) if columns else [f.name for f in schema.arrow()] + [n for n in found.names if schema.open]
    present = [n for n in dict.fromkeys(wanted) if n in found.names]
    table = pq.read_table(path, columns=present)
    for name in schema.required:
        if name in present and table[name].null_count:
            row = table[name].is_null().to_pylist().index(True)
            raise ArtifactError(f"{path}: column '{name}' is null in row {row}; it must have a value")
    frame = pl.DataFrame(pl.from_arrow(table))
    types = {f.name: f.type for f in schema.arrow()}
    for name in dict.fromkeys(wanted):
        if name not in frame.columns:
            frame = frame.with_columns(pl.DataFrame(pl.from_arrow(pa.table({name: pa.nulls(len(frame), types[name])}))))
    return frame.select(list(dict.fromkeys(wanted)))


def stream(
    path: Path | str, schema: Schema, columns: Sequence[str] | None = None, rows: int = 65_536
) -> Iterator[pl.DataFrame]:
    """The table in parts of at most `rows` rows, in bounded memory; nullable columns that the file lacks stay away.

    Raises: ArtifactError as `check`.
    """
    check(path, schema)
    for part in pq.ParquetFile(path, pre_buffer=False).iter_batches(
        batch_size=rows, columns=list(columns) if columns else None
    ):
        yield pl.DataFrame(pl.from_arrow(part))


def write_json(path: Path | str, value: Any) -> None:
    """JSON with sorted keys, through a temporary name: equal values, equal bytes."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
