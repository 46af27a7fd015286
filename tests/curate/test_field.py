"""Quirks of public files, by a few rows of each: nothing of them is misread, and what is left out is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlpipe import artifacts
from rlpipe.artifacts import PROMPTS
from rlpipe.commands.opener import read_prompts
from rlpipe.curate.curate import Curated, curate
from rlpipe.curate.files.importing import ImportReport, import_prompts
from rlpipe.curate.files.records import RowError
from rlpipe.curate.settings import CurateSettings
from tests.curate.data import lines

NO_ANSWER, PLACEHOLDER = "no reference answer", "placeholder for a reference answer"


def imported(tmp_path: Path, *rows: object, **said: Any) -> tuple[ImportReport, list[str]]:
    """The report, and the references."""
    report = import_prompts(lines(tmp_path / "in.jsonl", *rows), tmp_path / "out.parquet", **said)
    frame = artifacts.read(tmp_path / "out.parquet", PROMPTS)
    return report, frame["reward_model"].struct.field("ground_truth").to_list()


def curated(tmp_path: Path, *rows: object, **source: Any) -> Curated:
    path = str(lines(tmp_path / "in.jsonl", *rows))
    return curate(CurateSettings.model_validate({"sources": [{"path": path, "split": "train", **source}]}))


GSM8K = [
    {"question": "B?", "answer": ""},
    {"question": "A?", "answer": "x\n#### 7"},
    {"question": "C?", "answer": None},
    {"question": "D?", "answer": "no marker 7"},
    {"question": "E?", "answer": "x\n#### "},
]


def test_gsm8k_rows_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    for said in ({}, {"format": "gsm8k"}):
        report, golds = imported(tmp_path, *GSM8K, **said)
        assert (report.format, report.read, golds) == ("gsm8k", 5, ["7"])
        assert report.left_out == {NO_ANSWER: 4}
        assert report.first[NO_ANSWER] == f"{tmp_path / 'in.jsonl'}:1: column 'answer' is ''"
    rejected = curated(tmp_path, *GSM8K).rejected
    assert [(r["stage"], r["reason"], r["row"][-2:]) for r in rejected] == [
        ("import", NO_ANSWER, f":{i}") for i in (1, 3, 4, 5)
    ]
    assert rejected[2]["detail"] == "column 'answer' has no answer by the pattern ####: 'no marker 7'"


NUMINA = [
    {"problem": "Prove that", "solution": "Proof", "answer": "proof", "question_type": "proof", "source": "olympiads"},
    {"problem": "Find x", "solution": r"so \boxed{4}", "answer": "4", "question_type": "mcq", "source": "olympiads"},
    {"problem": "Find y", "solution": "...", "answer": "notfound", "question_type": "mcq", "source": "cn_k12"},
]


def test_words_for_no_answer_are_no_references(tmp_path: Path) -> None:
    report, golds = imported(tmp_path, *NUMINA, data_source="numina")
    assert (golds, report.left_out) == (["4"], {PLACEHOLDER: 2})
    assert report.first[PLACEHOLDER].endswith(":1: 'proof'")
    summary = curated(tmp_path, *NUMINA).summary
    assert (summary["rows"]["kept"], summary["rejected"]) == (1, {"import": {PLACEHOLDER: 2}})
    verl = {"data_source": "m", "prompt": [{"role": "user", "content": "q"}], "reward_model": {"ground_truth": "proof"}}
    assert imported(tmp_path, verl)[0].left_out == {PLACEHOLDER: 1}
    assert imported(tmp_path, verl | {"data_source": "code/x"})[1] == ["proof"], "a program may print it"


EQUAL = [
    {"problem": "How many apples are left in the basket after lunch?", "answer": "18"},
    {"problem": "How many apples are left in the basket after lunch?", "answer": "18.0"},
    {"problem": "What share of the cake was eaten?", "answer": r"\frac{1}{2}"},
    {"problem": "What share of the cake was eaten?", "answer": "0.5"},
    {"problem": "Expand the product.", "answer": "x+1"},
    {"problem": "Expand the product.", "answer": "1+x"},
    {"problem": "What is it?", "answer": "3"},
    {"problem": "What is it?", "answer": "4"},
]


def test_one_reference_in_two_spellings_is_one_everywhere(tmp_path: Path) -> None:
    report, golds = imported(tmp_path, *EQUAL)
    assert golds == ["18", r"\frac{1}{2}", "x+1"]
    assert report.left_out == {"prompt repeated": 3, "prompt with several answers": 2}
    assert curated(tmp_path, *EQUAL).summary["rejected"] == {
        "duplicate": {"same prompt": 3, "same prompt, another answer": 2}
    }
    prompts, _ = read_prompts(tmp_path / "in.jsonl", None)
    assert [p.answer for p in prompts] == ["18", r"\frac{1}{2}", "x+1"]


def test_equal_words_with_equal_references_are_one(tmp_path: Path) -> None:
    rows = [
        {"problem": p, "answer": a} for p, a in (("What is it?", "0.5"), ("what is it", "1/2"), ("WHAT is it?", "2"))
    ]
    rejected = curated(tmp_path, *rows).rejected
    assert [(r["reason"], r["row"][-2:] in (":1", ":2")) for r in rejected] == [("same words", True)]


def test_near_duplicates_with_equal_references_are_one(tmp_path: Path) -> None:
    story = (
        "{} has 5 boxes of 12 pencils, gives a third away and shares the rest among 4 friends; how many does each get?"
    )
    rows = [{"problem": story.format(who), "answer": a} for who, a in (("Ana", "10"), ("Luis", "10.0"), ("Mia", "11"))]
    rejected = curated(tmp_path, *rows).rejected
    assert [(r["reason"], r["row"][-2:] in (":1", ":2")) for r in rejected] == [("near duplicate", True)]


def verl(i: int, gold: object) -> dict[str, Any]:
    return {
        "data_source": "math_dapo",
        "prompt": [{"role": "user", "content": f"Problem {i}? The last line should be Answer: $Answer"}],
        "ability": "MATH",
        "reward_model": {"style": "rule-lighteval/MATH_v2", "ground_truth": gold},
        "extra_info": {"index": f"uuid-{i}"},
    }


def test_references_of_verl_that_are_numbers_or_objects(tmp_path: Path) -> None:
    golds = [1e-07, 18.0, 0.1, 4, ["5"], {"answer": "0", "unit": "cm"}]
    _, read = imported(tmp_path, *(verl(i, gold) for i, gold in enumerate(golds)))
    assert read == ["0.0000001", "18", "0.1", "4", "5", "0 cm"]
    found = curated(tmp_path, *(verl(i, gold) for i, gold in enumerate(golds)))
    assert (len(found.prompts), found.rejected) == (6, [])
    with pytest.raises(RowError, match=r"row 1: column 'reward_model.ground_truth' is \['1', '2'\]: several answers"):
        imported(tmp_path, verl(0, ["1", "2"]))


MATH = [
    {"problem": "p1?", "level": "Level 5", "type": "Algebra", "solution": r"Hence $\boxed 2$."},
    {"problem": "p2?", "level": "Level 1", "type": "Algebra", "solution": r"Hence $\boxed{3}$."},
    {"problem": "p3?", "level": "Level ?", "type": "Geometry", "solution": r"Hence \fbox{4}."},
    {"problem": "p4?", "level": "Level 2", "type": "Algebra", "solution": r"first $\boxed{1}$ then $\boxed{5}$"},
    {"problem": "p5?", "level": "Level 2", "type": "Algebra", "solution": "no box"},
]


def test_boxes_of_math(tmp_path: Path) -> None:
    report, golds = imported(tmp_path, *MATH)
    assert (report.format, golds, report.left_out) == ("math_solution", ["2", "3", "4", "5"], {NO_ANSWER: 1})


def test_any_table_can_be_a_source(tmp_path: Path) -> None:
    rows = [{"meta": {"text": f"There are {n} hens."}, "ask": "How many?", "final_ans": n, "hard": n} for n in (3, 4)]
    columns = {"prompt": "{meta.text} {ask}", "answer": "final_ans", "level": "hard"}
    found = curated(tmp_path, *rows, columns=columns, data_source="hens")
    assert {(p["difficulty"], p["reward_model"]["ground_truth"], p["data_source"]) for p in found.prompts} == {
        ("3", "3", "hens"),
        ("4", "4", "hens"),
    }
    assert all(p["prompt"][0]["content"].startswith("There are") for p in found.prompts)
