"""Curation on real word problems: counts, references, duplicates, overlap of train with test."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.curate.curate import curate
from rlpipe.curate.files.importing import import_prompts
from rlpipe.curate.files.texts import TextFile, batches
from rlpipe.curate.settings import CurateSettings
from rlpipe.overlap.clean_subset import clean_subset
from rlpipe.overlap.overlap import overlap
from tests.curate.data import gsm8k


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, out = gsm8k(), tmp_path_factory.mktemp("gsm8k")
    for name, count in (("train", 7473), ("test", 1319)):
        report = import_prompts(folder / f"{name}.jsonl", out / f"{name}.parquet", split=name)
        assert (report.format, report.read, report.written) == ("gsm8k", count, count)
        assert report.same_words == 0
    return {name: out / f"{name}.parquet" for name in ("train", "test")}


def test_overlap_of_train_with_test(imported: dict[str, Path], tmp_path: Path) -> None:
    """No question of the test set stands in the training set; nine share half their wording with other numbers."""
    out = tmp_path / "overlap.parquet"
    found = overlap(*(batches(TextFile(imported[side])) for side in ("train", "test")), out)["openai/gsm8k"]
    assert found["n_by_decision"] == {"drop": 0, "review": 1, "template": 9}
    pairs = artifacts.read(out, artifacts.CONTAMINATION).filter(pl.col("record_type") == "pair")
    assert pairs["train_id"].n_unique() == 11
    stamps = pairs.filter(pl.col("matched_span").str.contains("stamps had a snowflake design"))
    assert stamps["decision"].to_list() == ["template"]
    clean = clean_subset(out, imported["test"])
    assert len(clean) == 1309
    assert not set(clean) & set(pairs["eval_id"])


def test_curating_a_part(tmp_path: Path) -> None:
    folder = gsm8k()
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    near = [line for line in lines if "two cassette tapes that cost $9 each" in line]
    assert len(near) == 2
    held_out = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()[:150]
    planted = json.loads(held_out[7])
    planted["question"] = planted["question"].replace(",", "").upper()
    part = [*near, *(line for line in lines[:300] if line not in near), json.dumps(planted)]
    for name, rows in (("train", part), ("test", held_out)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    learning = {"path": str(tmp_path / "train.jsonl"), "splits": ["demonstration", "train", "probe"]}
    benchmark = {"path": str(tmp_path / "test.jsonl"), "split": "test"}
    found = curate(CurateSettings.model_validate({"sources": [learning, benchmark]}))
    assert found.summary["references"] == {"ok": len(part) + 150}
    assert [(r["stage"], r["reason"].partition(":")[0]) for r in found.rejected] == [
        ("decontaminate", "drop, exact"),
        ("duplicate", "near duplicate"),
    ]
    assert found.rejected[0]["row"].endswith(f"train.jsonl:{len(part)}")
    assert found.summary["splits"]["test"] == 150
    assert found.summary["demonstrations"]["without"] == 0
    assert all("<<" not in r["response"] and "####" in r["response"] for r in found.demonstrations)
