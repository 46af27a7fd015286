"""Files as they are shipped: packed, in folders, as CSV; each with its rows' places."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlpipe import artifacts
from rlpipe.artifacts import PROMPTS
from rlpipe.curate.files.exporting import export_prompts
from rlpipe.curate.files.importing import import_prompts
from rlpipe.curate.files.records import RowError, records
from rlpipe.curate.files.tables.columns import Columns
from tests.curate.data import field, lines

ROWS = [{"problem": f"p{i}", "answer": str(i)} for i in range(3)]
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def packed(path: Path, content: bytes = TEXT) -> Path:
    if path.suffix == ".gz":
        content = gzip.compress(content[:30]) + gzip.compress(content[30:])  # in two members, as `cat` joins them
    if path.suffix == ".zst":
        content = pa.compress(content[:30], "zstd", asbytes=True) + pa.compress(content[30:], "zstd", asbytes=True)
    path.write_bytes(content)
    return path


def read(path: Path | str) -> list[Any]:
    return [record for _, record in records(path)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.jsonl.zst"])
def test_packed_files_are_read_as_plain_ones(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name)
    assert read(path) == ROWS
    assert [str(place) for place, _ in records(path)] == [f"{path}:{i}" for i in (1, 2, 3)]


def test_other_endings_can_be_packed_too(tmp_path: Path) -> None:
    assert read(packed(tmp_path / "a.json.gz", json.dumps(ROWS).encode())) == ROWS
    assert read(packed(tmp_path / "a.csv.zst", b"problem,answer\np0,0\np1,1\np2,2\n")) == ROWS
    with pytest.raises(
        RowError, match=r"a.parquet.gz: a file named \*.parquet.gz cannot be read; known are .parquet, .jsonl"
    ):
        read(packed(tmp_path / "a.parquet.gz"))


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_packed_file_that_is_cut_short_is_named(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RowError, match=f"{name}: cannot be read .*was it cut short"):
        read(path)
    path.write_bytes(TEXT)
    with pytest.raises(RowError, match=f"{name}: cannot be read .*packed otherwise"):
        read(path)


def test_csv(tmp_path: Path) -> None:
    content = '\ufeffproblem,answer,note\n"How many, say\n""two"" or three?",1/2,\n\n p ,"1,000",x\n'
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    first = {"problem": 'How many, say\n"two" or three?', "answer": "1/2", "note": None}
    assert read(tmp_path / "a.csv") == [first, {"problem": " p ", "answer": "1,000", "note": "x"}]
    (tmp_path / "a.tsv").write_text("problem\tanswer\np, q\t4\n")
    assert read(tmp_path / "a.tsv") == [{"problem": "p, q", "answer": "4"}]
    assert import_prompts(tmp_path / "a.csv", tmp_path / "out.parquet").sources == {"a": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n1,2,3\n", r"row 2: column '\(whole row\)' is \['1', '2', '3'\]: 3 cells under 2 names"),
        (b"a,a\n1,2\n", "two columns have the same name"),
        (b'a,b\n1,"2\n', "row 1: not CSV"),
        (b"a,b\n1,2\n\xff,2\n", "not text in UTF-8"),
        (b"a,b\n", "no rows"),
        (b"", "no rows"),
    ],
)
def test_malformed_csv_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(RowError, match="a.csv: " + message):
        read(tmp_path / "a.csv")


def test_folders_and_patterns(tmp_path: Path) -> None:
    data = tmp_path / "set"
    (data / "deep").mkdir(parents=True)
    lines(data / "b.jsonl", ROWS[1])
    packed(data / "a.jsonl.gz", json.dumps(ROWS[0]).encode())
    lines(data / "deep" / "c.jsonl", ROWS[2])
    (data / "README.md").write_text("not a table")
    lines(data / ".hidden.jsonl", {"x": 1})
    lines(data / "_part.jsonl", {"x": 1})
    assert read(data) == ROWS[:2], "in order of names; hidden files, other kinds and folders inside do not count"
    assert read(f"{data}/[ab]*") == ROWS[:2]
    assert read(f"{data}/**/*.jsonl") == [{"x": 1}, *ROWS[1:]], "a pattern takes what it matches"
    report = import_prompts(data, tmp_path / "out.parquet")
    assert (report.read, report.sources) == (2, {"set": 2})
    assert import_prompts(f"{data}/b*", tmp_path / "out.parquet").sources == {"set": 1}
    lines(tmp_path / "q[1].jsonl", ROWS[0])
    assert read(tmp_path / "q[1].jsonl") == ROWS[:1], "a file of that name is no pattern"


def test_folders_and_patterns_that_cannot_be_read(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", ROWS[0])
    (tmp_path / "info.json").write_text("{}")
    with pytest.raises(
        RowError, match=r"holds files of several kinds \(\*.json, \*.jsonl\); name those to read by a pattern"
    ):
        read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RowError, match=r"empty: holds no file that can be read"):
        read(tmp_path / "empty")
    with pytest.raises(RowError, match=r"z\*.jsonl: no file matches"):
        read(tmp_path / "z*.jsonl")
    lines(tmp_path / "b.jsonl", "text")
    with pytest.raises(RowError, match=r"b.jsonl: row 1: .*a row must be an object"):
        read(f"{tmp_path}/*.jsonl")


def test_shards_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for i in range(2):
        import_prompts(lines(tmp_path / "in.jsonl", ROWS[i]), tmp_path / "own" / f"{i}.parquet", split="test")
    assert import_prompts(tmp_path / "own", tmp_path / "out.parquet").format == "rlpipe"
    assert artifacts.read(tmp_path / "out.parquet", PROMPTS)["split"].to_list() == ["test"] * 2


def awkward() -> dict[str, pa.Array]:
    """A column of every kind that JSON has no form for."""
    moment = datetime.datetime(2024, 1, 1, 12, 30)
    return {
        "created": pa.array([moment], pa.timestamp("us", "UTC")),
        "fine": pa.array([1], pa.timestamp("ns")),
        "day": pa.array([moment.date()]),
        "took": pa.array([datetime.timedelta(seconds=1)]),
        "price": pa.array([1], pa.decimal128(5, 2)),
        "image": pa.array([b"\x89PNG"]),
        "nested": pa.array([{"at": moment, "raw": [b"x"], "n": 1}]),
        "table": pa.array([[("k", moment)]], pa.map_(pa.string(), pa.timestamp("us"))),
    }


def test_columns_that_nobody_uses_never_refuse_a_file(tmp_path: Path) -> None:
    verl = {
        "data_source": pa.array(["m"]),
        "prompt": pa.array([[{"role": "user", "content": "q"}]]),
        "reward_model": pa.array([{"style": "rule", "ground_truth": "4", "checked": datetime.date(2024, 1, 1)}]),
        "extra_info": pa.array([{"index": 0, "at": datetime.datetime(2024, 1, 1)}]),
    }
    table = {"problem": pa.array(["q"]), "answer": pa.array(["4"])}
    for columns in (verl | awkward(), table | {n: c for n, c in awkward().items() if n not in ("image", "table")}):
        pq.write_table(pa.table(columns), tmp_path / "in.parquet")
        assert import_prompts(tmp_path / "in.parquet", tmp_path / "out.parquet").written == 1
        export_prompts(tmp_path / "out.parquet", tmp_path / "out.jsonl", "verl")
    metadata = json.loads(artifacts.read(tmp_path / "out.parquet", PROMPTS)["metadata_json"][0])["extra_info"]
    assert metadata["created"] == "2024-01-01 12:30:00+00:00"
    assert metadata["nested"] == {"at": "2024-01-01 12:30:00", "raw": ["(1 bytes, not kept)"], "n": 1}
    assert metadata["fine"] in ("(timestamp[ns], not kept)", "1970-01-01 00:00:00.000000001")


def test_a_column_that_is_used_and_cannot_be_read_refuses_it(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"problem": text, "answer": ["4"], "other": text}), tmp_path / "in.parquet")
    with pytest.raises(RowError, match=r"row 1: column 'problem' is Unreadable\(type='string'\): must be text"):
        import_prompts(
            tmp_path / "in.parquet", tmp_path / "out.parquet", columns=Columns(prompt="problem", answer="answer")
        )
    pq.write_table(pa.table({"problem": ["p"], "answer": ["4"], "other": text}), tmp_path / "in.parquet")
    assert import_prompts(tmp_path / "in.parquet", tmp_path / "out.parquet").written == 1


def test_a_public_file_with_a_time_stamp(tmp_path: Path) -> None:
    assert import_prompts(field("verl_timestamp_column.parquet"), tmp_path / "out.parquet").written == 1
