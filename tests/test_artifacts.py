from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlpipe import artifacts
from rlpipe.artifacts import (
    CONTAMINATION,
    DEMONSTRATIONS,
    EVAL,
    PROMPTS,
    REJECTED,
    ROLLOUTS,
    STEPS,
    ArtifactError,
    TableWriter,
)

PROMPT = {
    "prompt_id": "p",
    "norm_hash": "n",
    "data_source": "s",
    "prompt": [{"role": "user", "content": "x"}],
    "reward_model": {"style": "rule", "ground_truth": "1"},
    "extra_info": {"split": None, "index": None},
    "metadata_json": "{}",
}
STEP = {name: 0 if str(kind) == "int64" else 0.0 for name, kind in STEPS.required.items()}


def demonstration(name: str = "p", response: str = "r") -> dict[str, Any]:
    return {"prompt_id": name, "data_source": "s", "prompt": PROMPT["prompt"], "response": response}


def test_columns_of_the_specification_are_there() -> None:
    assert {
        "prompt_id",
        "norm_hash",
        "data_source",
        "prompt",
        "ability",
        "reward_model",
        "extra_info",
        "metadata_json",
    } <= {*PROMPTS.arrow().names}
    trajectory = {"agent", "stop", "parent", "branched_at", "turns", "trajectory_ids", "trajectory_mask"}
    assert {"difficulty", "canonical_solution", *trajectory} <= {*ROLLOUTS.arrow().names}
    assert len(set(ROLLOUTS.arrow().names) - {"difficulty", "canonical_solution", *trajectory}) == 28
    assert len(CONTAMINATION.arrow().names) == 22
    assert len(EVAL.arrow().names) == 27


def test_written_and_read_back(tmp_path: Path) -> None:
    artifacts.write(tmp_path / "p.parquet", PROMPTS, [PROMPT])
    frame = artifacts.read(tmp_path / "p.parquet", PROMPTS)
    assert frame.to_dicts() == [{**PROMPT, "ability": None, "split": None, "difficulty": None}]
    assert artifacts.read(tmp_path / "p.parquet", PROMPTS, ["split", "prompt_id"]).columns == ["split", "prompt_id"]
    assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]


def test_an_empty_table_has_all_its_columns(tmp_path: Path) -> None:
    artifacts.write(tmp_path / "r.parquet", REJECTED, [])
    frame = artifacts.read(tmp_path / "r.parquet", REJECTED)
    assert frame.height == 0
    assert frame.columns == REJECTED.arrow().names


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        artifacts.write(tmp_path / name, DEMONSTRATIONS, [demonstration(str(i)) for i in range(500)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**PROMPT, "extra": 1}, r"p.parquet: unknown columns \['extra'\]"),
        ({k: v for k, v in PROMPT.items() if k != "prompt"}, "column 'prompt' is missing"),
        ({**PROMPT, "data_source": None}, "column 'data_source' is null in row 0"),
        ({**PROMPT, "prompt_id": 3}, "column 'prompt_id' should be string"),
    ],
)
def test_rows_of_another_shape_are_refused_and_leave_the_file_alone(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    path = tmp_path / "p.parquet"
    artifacts.write(path, PROMPTS, [PROMPT])
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match=message):
        artifacts.write(path, PROMPTS, [row])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]


def test_a_failure_between_parts_leaves_nothing(tmp_path: Path) -> None:
    def parts() -> None:
        with TableWriter(tmp_path / "d.parquet", DEMONSTRATIONS) as writer:
            writer.write([demonstration()])
            writer.write([demonstration() | {"response": None}])

    with pytest.raises(ArtifactError, match="column 'response' is null"):
        parts()
    assert list(tmp_path.iterdir()) == []


def _with_tag(path: Path, tag: str | None, columns: dict[str, Any]) -> Path:
    metadata = None if tag is None else {"rlpipe.schema": tag}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


STEP_COLUMNS = {name: [value] for name, value in STEP.items()}


@pytest.mark.parametrize(
    ("tag", "columns", "message"),
    [
        (None, STEP_COLUMNS, "schema is 'none', expected 'steps/1'; `rlpipe import`"),
        ("prompts/1", STEP_COLUMNS, "schema is 'prompts/1'"),
        ("steps/2", STEP_COLUMNS, "schema is 'steps/2', expected 'steps/1'"),
        ("steps/1", {"step": [0]}, "column 'reward' is missing"),
        ("steps/1", STEP_COLUMNS | {"reward": ["much"]}, "column 'reward' is string, not double"),
        ("steps/1", STEP_COLUMNS | {"reward": pa.array([None], pa.float64())}, "column 'reward' is null in row 0"),
    ],
)
def test_files_of_another_shape_are_refused(
    tmp_path: Path, tag: str | None, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        artifacts.read(_with_tag(tmp_path / "t.parquet", tag, columns), STEPS)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        artifacts.read(tmp_path / "none.parquet", STEPS)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"not a Parquet file .*cut short"):
        artifacts.read(tmp_path / "cut.parquet", STEPS)


def test_other_writers_choices_are_accepted(tmp_path: Path) -> None:
    """Wide offsets, another order of struct fields, missing nullable columns."""
    messages = pa.large_list(pa.struct([("content", pa.large_string()), ("role", pa.string_view())]))
    columns = {
        "prompt_id": pa.array(["p"], pa.large_string()),
        "data_source": ["s"],
        "prompt": pa.array([PROMPT["prompt"]], messages),
        "response": ["r"],
    }
    frame = artifacts.read(_with_tag(tmp_path / "d.parquet", "demonstrations/1", columns), DEMONSTRATIONS)
    assert frame["prompt"].to_list() == [[{"content": "x", "role": "user"}]]
    assert frame["difficulty"].to_list() == [None]


def test_open_schemas_keep_further_numbers(tmp_path: Path) -> None:
    artifacts.write(tmp_path / "s.parquet", STEPS, [{**STEP, "ratio_max": 1.5}, {**STEP, "step": 1}])
    frame = artifacts.read(tmp_path / "s.parquet", STEPS)
    assert frame["ratio_max"].to_list() == [1.5, None]
    with pytest.raises(ArtifactError, match="column 'note' should be double"):
        artifacts.write(tmp_path / "s.parquet", STEPS, [{**STEP, "note": "text"}])


def test_frames_and_tables_are_rows_too(tmp_path: Path) -> None:
    rows = [demonstration(str(i)) for i in range(3)]
    for value in (rows, pl.DataFrame(rows), pa.Table.from_pylist(rows)):
        artifacts.write(tmp_path / "d.parquet", DEMONSTRATIONS, value)
        assert artifacts.read(tmp_path / "d.parquet", DEMONSTRATIONS)["prompt_id"].to_list() == ["0", "1", "2"]


def test_parts_stream_and_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "ROW_GROUP_BYTES", 20_000)
    with TableWriter(tmp_path / "d.parquet", DEMONSTRATIONS) as writer:
        for part in range(2):
            writer.write([demonstration(f"{part}-{i}", "x" * 900) for i in range(50)])
    metadata = pq.ParquetFile(tmp_path / "d.parquet").metadata
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) < 25
    parts = list(artifacts.stream(tmp_path / "d.parquet", DEMONSTRATIONS, ["prompt_id"], rows=30))
    assert sum(len(part) for part in parts) == 100
    assert max(len(part) for part in parts) <= 30


def test_json_is_sorted_and_whole(tmp_path: Path) -> None:
    artifacts.write_json(tmp_path / "a.json", {"b": 1, "a": {"ü": [1, 2]}})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": {"ü": [1, 2]}, "b": 1}
    assert text.index('"a"') < text.index('"b"')
    assert "ü" in text
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
