from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.curate import references
from rlpipe.curate.curate import Curated, curate, describe, write
from rlpipe.curate.files.records import RowError
from rlpipe.curate.settings import CurateSettings
from rlpipe.prompts import load_prompts
from rlpipe.types import Verdict
from rlpipe.verifiers.error_rate import VerifierFailing
from rlpipe.verifiers.verify import verify

STORY = (
    "{who} buys {n} boxes of pencils with 12 pencils in each box, gives a third of all the pencils to the neighbours, and "
    "then shares the rest among 4 friends so that each friend gets the same number. How many pencils does a friend get?"
)
FILLER = "A farmer in the valley keeps {n} hens that lay one egg a day each; how many eggs are there after a week of {n} days?"


def row(question: str, answer: object) -> dict[str, str]:
    return {"question": question, "answer": f"It is <<1+1=2>>so.\n#### {answer}"}


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return str(path)


def curated(*sources: dict[str, Any], **settings: Any) -> Curated:
    return curate(CurateSettings.model_validate({"sources": sources, **settings}))


def reasons(found: Curated) -> dict[str, tuple[str, str]]:
    """place -> (stage, reason without numbers)"""
    return {r["row"].rpartition("/")[2]: (r["stage"], r["reason"].partition(":")[0]) for r in found.rejected}


@pytest.fixture
def train(tmp_path: Path) -> str:
    rows = [
        row(STORY.format(who="Ana", n=5), 10),
        row(STORY.format(who="Ana", n=5), 10),  # 2: same prompt
        row(STORY.format(who="ANA", n=5), 10),  # 3: same words
        row(STORY.format(who="Luis", n=5), 10),  # 4: near duplicate
        row(STORY.format(who="Luis", n=9), 18),  # 5: of the template of a test row, kept
        row(FILLER.format(n=3), 3),
        row(FILLER.format(n=3), 4),  # 6, 7: same prompt, other answers
        row(FILLER.format(n=6), "6\nor perhaps 7"),  # 8
        row("What is 17 + 25 in all, if you add them up as they stand here?", 42),
        row("What is 17 * 25 in all, if you add them up as they stand here?", 425),  # same norm_hash, kept
        row(FILLER.format(n=11) + " " + "It is a long day.", 121),  # 11: in the test file, but for the end
        row(
            "On a hill live 11 hens that lay one egg a day each and 11 ducks; what do they cost?", 99
        ),  # 12: a part of it
    ]
    return written(tmp_path / "train.jsonl", rows)


@pytest.fixture
def test(tmp_path: Path) -> str:
    rows = [row(STORY.format(who="Mia", n=8), 16), row(FILLER.format(n=11), 121), row(FILLER.format(n=11), 121)]
    return written(tmp_path / "test.jsonl", rows)


LEARNING = ["demonstration", "train", "probe"]


def test_every_row_left_out_says_why_and_against_what(train: str, test: str, tmp_path: Path) -> None:
    found = curated({"path": train, "splits": LEARNING}, {"path": test, "split": "test"})
    by_place = reasons(found)
    kept = {p["prompt"][0]["content"].partition(" Think step")[0]: p for p in found.prompts}
    assert by_place["train.jsonl:2"] == ("duplicate", "same prompt")
    pencils = [place for place, reason in by_place.items() if reason[1] in ("same words", "near duplicate")]
    assert len(pencils) == 2
    assert set(pencils) <= {"train.jsonl:1", "train.jsonl:3", "train.jsonl:4"}
    assert by_place["train.jsonl:6"] == by_place["train.jsonl:7"] == ("duplicate", "same prompt, another answer")
    assert by_place["train.jsonl:8"][0] == "verify"
    assert by_place["train.jsonl:11"] == ("decontaminate", "drop, ngram")
    assert by_place["train.jsonl:12"] == ("decontaminate", "review, ngram")
    assert by_place["test.jsonl:3"] == ("duplicate", "same prompt")
    assert STORY.format(who="Luis", n=9) in kept, "an instance of a test row's template stays"
    assert sum("What is 17" in text for text in kept) == 2, "other operators, other problem"
    collision = next(r for r in found.rejected if r["row"].endswith("train.jsonl:11"))
    assert collision["collided_with"] == kept[FILLER.format(n=11)]["prompt_id"]
    assert collision["detail"].startswith("a farmer in the valley")
    summary = found.summary
    assert summary["rows"] == {"read": 15, "kept": len(found.prompts), "rejected": len(found.rejected)}
    assert summary["rows"]["read"] == summary["rows"]["kept"] + summary["rows"]["rejected"]
    assert summary["overlap"]["openai/gsm8k"]["n_by_decision"] == {"drop": 1, "review": 1, "template": 1}
    assert "overlap with openai/gsm8k: 0 of 2 clean; drop 1, review 1, template 1" in describe(summary)
    write(found, tmp_path)
    assert artifacts.read(tmp_path / "rejected.parquet", artifacts.REJECTED).height == len(found.rejected)


def test_a_number_before_a_copy_makes_no_other_problem(test: str, tmp_path: Path) -> None:
    once = STORY.format(who="Ana", n=5)
    rows = [
        row(once, 10),
        row(f"17. {once}", 10),
        row(once.replace("5", "9"), 10),
        row(f"8. {FILLER.format(n=11)}", 121),
    ]
    train = written(tmp_path / "numbered.jsonl", rows)
    found = reasons(curated({"path": train, "splits": LEARNING}, {"path": test, "split": "test"}))
    left_out = {place: reason for place, reason in found.items() if place.startswith("numbered")}
    (twin,) = set(left_out) - {"numbered.jsonl:4"}
    assert twin in ("numbered.jsonl:1", "numbered.jsonl:2"), "the third is another instance"
    assert left_out == {twin: ("duplicate", "near duplicate"), "numbered.jsonl:4": ("decontaminate", "drop, ngram")}


def test_policies(train: str, test: str) -> None:
    sources = {"path": train, "splits": LEARNING}, {"path": test, "split": "test"}
    strict = curated(*sources, decontamination={"template": "drop"})
    assert reasons(strict)["train.jsonl:5"] == ("decontaminate", "template, ngram")
    lenient = reasons(curated(*sources, decontamination={"review": "keep"}))
    assert "train.jsonl:12" not in lenient
    assert lenient["train.jsonl:11"] == ("decontaminate", "drop, ngram")
    without = curated(*sources, near_duplicates={"enabled": False})
    assert "near duplicate" not in {reason for _, reason in reasons(without).values()}


def test_bytes_do_not_depend_on_the_order_of_sources_or_rows(train: str, test: str, tmp_path: Path) -> None:
    tasks = {"task": "countdown", "levels": {"c3x2": 40}}
    sources = [{"path": train, "splits": LEARNING}, {"path": test, "split": "test"}, tasks]
    outputs = []
    for name, order in (("a", sources), ("b", sources[::-1]), ("c", sources)):
        (tmp_path / name).mkdir()
        write(curated(*order), tmp_path / name)
        outputs.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert outputs[0] == outputs[1] == outputs[2]
    lines = Path(train).read_text(encoding="utf-8").splitlines(keepends=True)
    Path(train).write_text("".join(lines[::-1]), encoding="utf-8")
    (tmp_path / "d").mkdir()
    write(curated(*sources), tmp_path / "d")
    columns = ["prompt_id", "split", "reward_model"]
    first, last = (pl.read_parquet(tmp_path / n / "prompts.parquet", columns=columns) for n in ("a", "d"))
    assert first.equals(last), "which rows are kept does not depend on their order in the file"


def test_task_families(tmp_path: Path) -> None:
    levels = {"c3x2": 120, "c4": 60}
    found = curated({"task": "countdown", "levels": levels}, demonstrations=3, seed=5)
    write(found, tmp_path)
    assert found.summary["rows"] == {"read": 180, "kept": 180, "rejected": 0}
    counts = found.summary["levels"]["rlpipe/countdown"]
    assert {level: sum(by.values()) for level, by in counts.items()} == levels
    shown = load_prompts(tmp_path / "prompts.parquet", "demonstration")
    rows = artifacts.read(tmp_path / "demonstrations.parquet", artifacts.DEMONSTRATIONS)
    assert rows["prompt_id"].value_counts()["count"].to_list() == [3] * len(shown)
    by_id = {prompt.id: prompt for prompt in shown}
    assert all(verify(by_id[r["prompt_id"]], r["response"]).correct for r in rows.iter_rows(named=True))
    assert rows.n_unique() > len(shown), "several solutions of one prompt"
    keys = [json.loads(p["metadata_json"])["columns"]["key"] for p in found.prompts]
    assert len(set(keys)) == 180


def test_sources_of_one_family_never_draw_the_same_problem() -> None:
    task = {"task": "countdown", "levels": {"c3": 30}}
    found = curated(task | {"splits": ["train"]}, task | {"splits": ["test"]})
    assert found.summary["sources"]["rlpipe/countdown"] == {"train": 30, "test": 30}
    more = curated({"task": "countdown", "levels": {"c3": 60}})
    assert {p["prompt_id"] for p in found.prompts} == {p["prompt_id"] for p in more.prompts}


def test_more_problems_than_there_are() -> None:
    with pytest.raises(ValueError, match=r"countdown, level c2: 5000 problems asked for, \d+ distinct ones found"):
        curated({"task": "countdown", "levels": {"c2": 5000}})


def test_unknown_sources_end_before_anything_is_read() -> None:
    for source, message in (
        ({"task": "chess", "levels": {"easy": 1}}, "no such family"),
        ({"task": "countdown", "levels": {"huge": 1}}, "no level 'huge'; it has"),
    ):
        with pytest.raises(ValueError, match=message):
            curated({"path": "absent.jsonl"}, source)
    with pytest.raises(RowError, match=r"absent\.jsonl: no such file"):
        curated({"path": "absent.jsonl"})


def test_reasoning_gym() -> None:
    found = curated({"reasoning_gym": "gcd", "size": 60, "seed": 1, "config": {"max_value": 9}})
    assert found.summary["references"] == {"ok": len(found.prompts)}
    repeated = found.summary["rejected"]["generate"]["repeated"]
    assert len(found.prompts) + repeated == 60
    assert all(r["response"].isdigit() for r in found.demonstrations)


def test_a_failing_verifier_stops_the_stage(train: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(pairs: list[Any]) -> list[Verdict]:
        return [Verdict(0.0, "timeout") if i == 0 else Verdict(1.0, "ok") for i in range(len(pairs))]

    monkeypatch.setattr(references, "verify_many", failing)
    with pytest.raises(
        VerifierFailing, match=r"openai/gsm8k: the verifier failed on \d of 12 reference answers .*allows 2.0%"
    ):
        curated({"path": train})
    kept = curated({"path": train}, max_verifier_errors=0.5)
    assert kept.summary["rejected"]["verify"] == {"reference answer is timeout": 4}, "equal answers are asked once"


def test_answers_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"problem": f"Find x{i}.", "answer": gold} for i, gold in enumerate([r"\frac{1}{2}", "3", "", None, "1, 2"])
    ]
    found = curated({"path": written(tmp_path / "m.jsonl", rows), "data_source": "math"})
    assert [(r["stage"], r["reason"]) for r in found.rejected] == [("import", "no reference answer")] * 2
    assert found.summary["references"] == {"ok": 3}
    with pytest.raises(RowError, match="no row has a reference answer"):
        curated({"path": written(tmp_path / "n.jsonl", rows[2:4]), "data_source": "math", "format": "math"})


def test_worked_solutions_of_files_become_demonstrations_if_they_verify(tmp_path: Path) -> None:
    rows = [
        {"problem": f"What is {i} and {i}?", "solution": rf"It is \boxed{{{2 * i}}}.", "answer": str(2 * i)}
        for i in range(4)
    ]
    rows.append({"problem": "What is 9 and 9?", "solution": "It is eighteen.", "answer": "18"})
    path = written(tmp_path / "m.jsonl", rows)
    found = curated({"path": path, "data_source": "math", "split": "demonstration"})
    assert found.summary["demonstrations"] == {"prompts": 4, "responses": 4, "without": 1, "too_long": 0}
    assert {r["response"] for r in found.demonstrations} == {rf"It is \boxed{{{2 * i}}}." for i in range(4)}


def test_notes_to_a_calculator_are_not_taught(train: str) -> None:
    found = curated({"path": train, "split": "demonstration"})
    assert {r["response"].partition("#")[0] for r in found.demonstrations} == {"It is so.\n"}


def test_programs_are_kept_unless_their_tests_cannot_be_read(tmp_path: Path) -> None:
    tests = json.dumps({"tests": [{"stdin": "1", "stdout": "2"}]})
    rows = [
        {
            "data_source": "code/x",
            "prompt": [{"role": "user", "content": f"Program {i}."}],
            "reward_model": {"ground_truth": g},
        }
        for i, g in enumerate([tests, "no tests", tests])
    ]
    found = curated({"path": written(tmp_path / "c.jsonl", rows)})
    assert found.summary["references"] == {"gold_unparseable": 1, "unchecked": 2}
    assert [(r["stage"], r["reason"]) for r in found.rejected] == [("verify", "reference answer is gold_unparseable")]
