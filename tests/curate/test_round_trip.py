"""Import and export of verl's layout reproduce every row, whatever its irregular parts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlpipe.curate.files.answers import LeftOut, is_empty, is_placeholder, judged_by_answer
from rlpipe.curate.files.exporting import export_prompts
from rlpipe.curate.files.importing import import_prompts
from rlpipe.curate.files.prompt_rows import to_row, to_verl
from rlpipe.curate.files.records import Place

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FILLED = TEXT.filter(lambda text: bool(text.strip()))
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = TEXT | NUMBER | st.booleans() | st.none()
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
ANSWERED = FILLED.filter(lambda text: not is_placeholder(text))
SHORT = ANSWERED | NUMBER | st.booleans()  # answers that are compared as such
ANSWER = SHORT | st.lists(SHORT, min_size=1, max_size=1) | st.fixed_dictionaries({"answer": SHORT, "unit": st.none()})
TESTS = (  # what other verifiers read, whatever its form
    SHORT | st.dictionaries(FILLED, SCALAR, min_size=1, max_size=3) | st.lists(FILLED, min_size=1, max_size=3)
).filter(lambda gold: not is_empty(gold))
INDEX = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT | st.none() | st.booleans()
RESERVED = {"prompt_id", "norm_hash", "metadata_json", "data_source", "prompt", "ability", "reward_model", "extra_info"}


@st.composite
def verl_rows(draw: st.DrawFn) -> dict[str, Any]:
    source = draw(FILLED.map("code/{}".format) | FILLED.filter(judged_by_answer))
    row: dict[str, Any] = {
        "data_source": source,
        "prompt": [{"role": "user", "content": draw(TEXT)}],
        "reward_model": {
            "ground_truth": draw(ANSWER if judged_by_answer(source) else TESTS),
            **draw(st.dictionaries(st.sampled_from(["style", "x"]), TEXT)),
        },
    }
    row["reward_model"]["ground_truth"] = draw(ANSWER if judged_by_answer(source) else TESTS)
    if draw(st.booleans()):
        row["prompt"].insert(0, {"role": "system", "content": draw(TEXT)})
    if draw(st.booleans()):
        row["ability"] = draw(TEXT | st.none())
    if draw(st.booleans()):
        extra = draw(st.dictionaries(TEXT.filter(lambda k: k not in ("split", "index")), VALUE, max_size=3))
        extra |= {"index": draw(INDEX)} if draw(st.booleans()) else {}
        extra |= {"split": draw(TEXT | st.none())} if draw(st.booleans()) else {}
        row["extra_info"] = draw(st.sampled_from([extra, None]))
    if draw(st.booleans()):
        row["member"] = draw(st.booleans() | st.integers(0, 1))
    return row | draw(st.dictionaries(TEXT.filter(lambda k: k not in RESERVED), VALUE, max_size=2))


def exactly(value: object) -> str:
    """A form that tells True from 1 and 1 from 1.0, and does not see the order of keys."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=120, deadline=None)
@given(verl_rows())
def test_a_row_comes_back_as_it_was(record: dict[str, Any]) -> None:
    row = to_row(record, Place(Path("x"), 1))
    assert not isinstance(row, LeftOut)
    assert exactly(to_verl(row)) == exactly(record)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(verl_rows(), min_size=1, max_size=5, unique_by=lambda row: exactly(row["prompt"])))
def test_a_file_comes_back_as_it_was(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        import_prompts(folder / "in.jsonl", folder / "prompts.parquet", format="verl")
        export_prompts(folder / "prompts.parquet", folder / "out.jsonl", "verl", pure=True)
        lines = (folder / "out.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        assert [exactly(json.loads(line)) for line in lines] == [exactly(row) for row in rows]


MEMBER = st.booleans() | st.integers(0, 1)


@pytest.mark.parametrize("index", [st.integers(0, 10**12), st.floats(0, 1e9), FILLED], ids=["int", "float", "str"])
@pytest.mark.parametrize(
    "gold", [ANSWERED, st.integers(-99, 99), st.fixed_dictionaries({"A": FILLED, "B": st.booleans()})]
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parquet_of_one_type_per_column_comes_back_as_it_was(
    data: st.DataObject, index: st.SearchStrategy[Any], gold: st.SearchStrategy[Any]
) -> None:
    count = data.draw(st.integers(1, 4))
    golds = [data.draw(gold) for _ in range(count)]
    source = "code/s" if isinstance(golds[0], dict) else "s"
    flags = data.draw(st.sampled_from([st.booleans(), st.integers(0, 1)]))
    rows = [
        {
            "data_source": source,
            "prompt": [{"role": "user", "content": f"question {i}"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": golds[i]},
            "extra_info": {"split": "test", "index": data.draw(index)},
            "member": data.draw(flags),
        }
        for i in range(count)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        import_prompts(folder / "in.jsonl", folder / "a.parquet")
        assert export_prompts(folder / "a.parquet", folder / "b.parquet", "verl", pure=True) == []
        assert exactly(pq.read_table(folder / "b.parquet").to_pylist()) == exactly(rows)
        import_prompts(folder / "b.parquet", folder / "c.parquet")
        export_prompts(folder / "c.parquet", folder / "d.parquet", "verl", pure=True)
        assert (folder / "d.parquet").read_bytes() == (folder / "b.parquet").read_bytes()
