from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlpipe import artifacts
from rlpipe.artifacts import PROMPTS, ROLLOUTS, ArtifactError
from rlpipe.curate.files.exporting import export_prompts, export_rollouts
from rlpipe.curate.files.importing import import_prompts
from rlpipe.curate.files.records import RowError

CHAT = [{"role": "user", "content": "What is 2+2?"}]
VERL = {
    "data_source": "openai/gsm8k",
    "prompt": CHAT,
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"split": "train", "index": 0},
}
GSM8K = {"question": "Two and two?", "answer": "2+2 = <<2+2=4>>4\n#### 1,004"}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def imported(tmp_path: Path, *rows: object, **arguments: Any) -> list[dict[str, Any]]:
    import_prompts(written(tmp_path / "in.jsonl", *rows), tmp_path / "out.parquet", **arguments)
    return artifacts.read(tmp_path / "out.parquet", PROMPTS).to_dicts()


def test_verl(tmp_path: Path) -> None:
    (row,) = imported(tmp_path, VERL, split="test")
    assert row["prompt_id"] == "1c2da8a2ed7b5c3445a5a06c285a97f9"
    assert row["norm_hash"] == "38c87990671df2fe"
    assert row["extra_info"] == {"split": "train", "index": "0"}
    assert row["split"] == "test"
    assert json.loads(row["metadata_json"])["index_type"] == "int"


def test_gsm8k(tmp_path: Path) -> None:
    (row,) = imported(tmp_path, GSM8K)
    assert row["data_source"] == "openai/gsm8k"
    assert row["reward_model"] == {"style": "rule", "ground_truth": "1004"}
    assert row["prompt"][0]["content"].startswith("Two and two? ")
    assert row["prompt"][0]["content"].count("####") == 1
    assert json.loads(row["metadata_json"])["extra_info"] == GSM8K
    (own,) = imported(tmp_path, {**GSM8K, "question": "Two and two? End with #### and the answer."})
    assert own["prompt"][0]["content"] == "Two and two? End with #### and the answer.", "it has its marker already"


ASSISTANT = {"role": "assistant", "content": "4"}
REWARD_SPEC = {"method": "rule", "ground_truth": "4"}


@pytest.mark.parametrize(
    ("row", "source", "answer", "content", "difficulty"),
    [
        ({"problem": "p", "answer": 4, "level": 3}, "m", "4", "p ", "3"),
        ({"problem": "p", "solution": r"so \boxed{\frac{1}{2}}.", "level": "L1"}, None, r"\frac{1}{2}", "p ", "L1"),
        ({"messages": [*CHAT, ASSISTANT], "ground_truth": "4", "dataset": ["math", "x"]}, None, "4", "What", None),
        ({"prompt": "q?", "solution": "4"}, "m", "4", "q?", None),
        ({"prompt": CHAT, "answer": "4"}, "m", "4", "What", None),
        ({"input": "q?", "label": "4", "datasource": "d"}, None, "4", "q?", None),
        ({"question": "q?", "answer": "4", "info": '{"a": 1}', "task": "env"}, None, "4", "q?", None),
        ({"prompt": CHAT, "env_class": "e", "data_source": "s", "reward_spec": REWARD_SPEC}, None, "4", "What", None),
    ],
    ids=["math", "math_solution", "open-instruct", "trl", "trl-chat", "openrlhf", "verifiers", "skyrl"],
)
def test_other_layouts_are_told_from_their_columns(
    tmp_path: Path, row: dict[str, Any], source: str | None, answer: str, content: str, difficulty: str | None
) -> None:
    (found,) = imported(tmp_path, row, data_source=source)
    assert found["reward_model"]["ground_truth"] == answer
    assert found["prompt"][-1]["content"].startswith(content)
    assert found["difficulty"] == difficulty
    assert found["data_source"] in (source, "DigitalLearningGmbH/MATH-lighteval", "math", "d", "env", "s")


def test_rows_without_an_answer_and_repetitions_are_counted(tmp_path: Path) -> None:
    rows = [
        {"problem": "a", "answer": "1"},
        {"problem": "b", "answer": ""},
        {"problem": "a", "answer": "1"},
        {"problem": "c", "answer": "1"},
        {"problem": "c", "answer": "2"},
        {"problem": "A!", "answer": "3"},
    ]
    path = written(tmp_path / "in.jsonl", *rows)
    report = import_prompts(path, tmp_path / "out.parquet", data_source="m")
    assert (report.format, report.read, report.written) == ("math", 6, 2)
    assert report.left_out == {"no reference answer": 1, "prompt repeated": 1, "prompt with several answers": 2}
    assert report.same_words == 2
    kept = artifacts.read(tmp_path / "out.parquet", PROMPTS)["reward_model"].struct.field("ground_truth").to_list()
    assert kept == ["1", "3"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"question": "q"'], r"in.jsonl: row 1: .*not JSON.*mend or remove it"),
        (["[1]"], "row 1: .*a row must be an object"),
        (
            [json.dumps(GSM8K), '{"answer": "#### 4"}'],
            r"row 2: column 'question' is None: missing; the columns are answer",
        ),
        (
            [json.dumps(GSM8K), '{"question": "", "answer": "#### 4"}'],
            "row 2: column 'question' is '': missing; fill it in",
        ),
        (['{"prompt": "p", "answer": "4"}'], "row 1: column 'data_source' is None: missing; name the data source"),
        (['{"a": 1}'], r"column '\(names\)' is \['a'\]: no known layout"),
        ([json.dumps(VERL | {"prompt": [{"role": "user"}]})], "column 'prompt.content' is None: must be text"),
        ([json.dumps(VERL | {"prompt": []})], "column 'prompt' is .*not a list of messages"),
        (
            [json.dumps(VERL | {"prompt": [*CHAT, {"role": "assistant", "content": "x"}]})],
            "the last message is not the user's",
        ),
        ([json.dumps(VERL | {"reward_model": "rule"})], "column 'reward_model' is 'rule': must be an object"),
        (
            [json.dumps(VERL | {"prompt": [{"role": "user", "content": [{"type": "image"}]}]})],
            "a message that is not text",
        ),
        ([json.dumps(VERL | {"ability": 3})], "column 'ability' is 3: must be text"),
        ([json.dumps(VERL).replace("What", "\\ud800")], "column 'prompt.content' .*not text in UTF-8"),
        ([""], "no rows"),
    ],
)
def test_malformed_rows_are_named(tmp_path: Path, rows: list[str], message: str) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "out.parquet").write_text("earlier")
    with pytest.raises(RowError, match=message):
        import_prompts(tmp_path / "in.jsonl", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir() if ".part" in p.name] == []


def test_text_parts_are_joined(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "2+2?"}]
    (row,) = imported(tmp_path, VERL | {"prompt": [{"role": "user", "content": parts}]})
    assert row["prompt_id"] == "1c2da8a2ed7b5c3445a5a06c285a97f9"


def test_unusable_files(tmp_path: Path) -> None:
    for name, content, message in (
        ("a.parquet", b"PAR1", "not readable as Parquet"),
        ("a.x", b"x", r"named \*.x cannot be read"),
        ("a.json", b"{}", "a .json file of prompts holds a list"),
        ("b.json", b"{", "not JSON"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RowError, match=message):
            import_prompts(tmp_path / name, tmp_path / "out.parquet")
    with pytest.raises(RowError, match="no such file"):
        import_prompts(tmp_path / "none.jsonl", tmp_path / "out.parquet")
    with pytest.raises(RowError, match="format 'x' is not one of auto, rlpipe"):
        import_prompts(tmp_path / "a.json", tmp_path / "out.parquet", format="x")


def test_a_list_of_objects_in_a_json_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([VERL, VERL | {"prompt": [{"role": "user", "content": "else?"}]}]))
    assert import_prompts(tmp_path / "a.json", tmp_path / "out.parquet").written == 2


def test_order_of_struct_fields_does_not_matter(tmp_path: Path) -> None:
    messages = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))
    columns = {name: pa.array([VERL[name]]) for name in ("data_source", "reward_model", "extra_info")}
    pq.write_table(pa.table({**columns, "prompt": pa.array([CHAT], messages)}), tmp_path / "in.parquet")
    import_prompts(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert artifacts.read(tmp_path / "out.parquet", PROMPTS)["prompt_id"][0] == "1c2da8a2ed7b5c3445a5a06c285a97f9"


def test_an_index_that_is_no_number_is_null(tmp_path: Path) -> None:
    extra = pa.array([{"split": "train", "index": float("nan")}, {"split": "train", "index": 3.0}])
    columns = {name: pa.array([VERL[name]] * 2) for name in ("data_source", "reward_model")}
    prompts = pa.array([CHAT, [{"role": "user", "content": "else?"}]])
    pq.write_table(pa.table({**columns, "prompt": prompts, "extra_info": extra}), tmp_path / "in.parquet")
    import_prompts(tmp_path / "in.parquet", tmp_path / "out.parquet")
    frame = artifacts.read(tmp_path / "out.parquet", PROMPTS)
    assert frame["extra_info"].struct.field("index").to_list() == [None, "3"]


def test_own_files_are_read_as_they_are_and_checked(tmp_path: Path) -> None:
    imported(tmp_path, VERL, split="test")
    first = (tmp_path / "out.parquet").read_bytes()
    import_prompts(tmp_path / "out.parquet", tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == first
    wrong = artifacts.read(tmp_path / "out.parquet", PROMPTS).with_columns(prompt_id=pl.lit("0" * 32))
    artifacts.write(tmp_path / "wrong.parquet", PROMPTS, wrong)
    with pytest.raises(RowError, match="not the id of the messages beside it"):
        import_prompts(tmp_path / "wrong.parquet", tmp_path / "again.parquet")


def test_export_with_our_columns_comes_back_whole(tmp_path: Path) -> None:
    imported(tmp_path, VERL, {**VERL, "prompt": [{"role": "user", "content": "else?"}], "member": 1}, split="probe")
    for name in ("verl.parquet", "verl.jsonl"):
        assert export_prompts(tmp_path / "out.parquet", tmp_path / name, "verl") == []
        import_prompts(tmp_path / name, tmp_path / "again.parquet")
        again = artifacts.read(tmp_path / "again.parquet", PROMPTS)
        assert again["split"].to_list() == ["probe", "probe"]
        assert again["prompt_id"].to_list() == artifacts.read(tmp_path / "out.parquet", PROMPTS)["prompt_id"].to_list()


def test_other_exports(tmp_path: Path) -> None:
    imported(
        tmp_path,
        VERL,
        {
            **VERL,
            "data_source": "code/k",
            "prompt": [{"role": "user", "content": "k&k"}],
            "reward_model": {"ground_truth": {"a": 1}},
        },
    )
    rows = {}
    for layout in ("skyrl", "trl", "open-instruct", "verifiers"):
        export_prompts(tmp_path / "out.parquet", tmp_path / f"{layout}.jsonl", layout, pure=True)
        rows[layout] = [json.loads(line) for line in (tmp_path / f"{layout}.jsonl").read_text().splitlines()]
    assert rows["skyrl"][0]["reward_spec"] == {"method": "rule", "ground_truth": "4"}
    assert rows["skyrl"][0]["env_class"] == "gsm8k"
    assert rows["trl"][0] == {"prompt": CHAT, "solution": "4", "data_source": "openai/gsm8k"}
    assert rows["open-instruct"][1]["ground_truth"] == '{"a": 1}'
    assert rows["verifiers"][0]["answer"] == "4"
    for layout in rows:
        import_prompts(tmp_path / f"{layout}.jsonl", tmp_path / "again.parquet")
        again = artifacts.read(tmp_path / "again.parquet", PROMPTS)
        first = artifacts.read(tmp_path / "out.parquet", PROMPTS)
        for name in ("prompt_id", "norm_hash", "data_source"):
            assert again[name].to_list() == first[name].to_list(), (layout, name)
        golds = [frame["reward_model"].struct.field("ground_truth").to_list() for frame in (again, first)]
        assert golds[0] == golds[1], layout


def test_columns_of_several_types_become_text_in_parquet_and_are_reported(tmp_path: Path) -> None:
    other = {**VERL, "prompt": [{"role": "user", "content": "b"}], "extra_info": {"split": "train", "index": "uuid"}}
    third = {
        **VERL,
        "data_source": "code/x",
        "prompt": [{"role": "user", "content": "c"}],
        "reward_model": {"style": "rule", "ground_truth": {"x": 2}},
    }
    imported(tmp_path, VERL, other, third)
    mixed = export_prompts(tmp_path / "out.parquet", tmp_path / "verl.parquet", "verl", pure=True)
    assert mixed == ["reward_model.ground_truth", "extra_info.index"]
    rows = pq.read_table(tmp_path / "verl.parquet").to_pylist()
    assert [row["extra_info"]["index"] for row in rows] == ["0", "uuid", "0"]
    assert rows[2]["reward_model"]["ground_truth"] == '{"x": 2}'
    assert export_prompts(tmp_path / "out.parquet", tmp_path / "verl.jsonl", "verl", pure=True) == []
    assert [json.loads(line) for line in (tmp_path / "verl.jsonl").read_text().splitlines()] == [VERL, other, third]


def test_refused_exports(tmp_path: Path) -> None:
    imported(tmp_path, VERL)
    source = tmp_path / "out.parquet"
    for arguments, message in (
        ((source, tmp_path / "x.jsonl", "nemo"), "layout 'nemo' is not one of verl"),
        ((source, tmp_path / "x.csv", "verl"), r"named \*.csv cannot be written"),
        ((source, tmp_path / "x.jsonl", "verl", True, "train"), "no prompts in split 'train'"),
    ):
        with pytest.raises(ValueError, match=message):
            export_prompts(*arguments)
    with pytest.raises(ArtifactError, match="no such file"):
        export_prompts(tmp_path / "none.parquet", tmp_path / "x.jsonl", "verl")
    assert not (tmp_path / "x.jsonl").exists()


def test_rollouts_as_verl_dumps_them(tmp_path: Path) -> None:
    (prompt,) = imported(tmp_path, VERL)
    rollout = {
        "run_id": "r", "model_id": "m", "policy_step": 3, "prompt_id": prompt["prompt_id"], "data_source": "openai/gsm8k",
        "sample_index": 0, "prompt": CHAT, "response": "#### 4", "reward": 1.0, "acc": True, "finish_reason": "stop",
    }  # fmt: skip
    artifacts.write(tmp_path / "rollouts.parquet", ROLLOUTS, [rollout])
    assert export_rollouts(tmp_path / "rollouts.parquet", tmp_path / "dump.jsonl", tmp_path / "out.parquet") == 1
    row = json.loads((tmp_path / "dump.jsonl").read_text())
    expected = {"input": "What is 2+2?", "output": "#### 4", "gts": "4", "score": 1.0, "step": 3}
    assert row == row | expected
    export_rollouts(tmp_path / "rollouts.parquet", tmp_path / "dump.jsonl")
    assert json.loads((tmp_path / "dump.jsonl").read_text())["gts"] is None
