"""Paraphrases of test prompts, left out of what is trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlpipe import models
from rlpipe.curate.curate import curate, describe
from rlpipe.curate.decontaminate import decontaminate
from rlpipe.curate.item import Item
from rlpipe.curate.settings import CurateSettings, Decontamination
from rlpipe.overlap.paraphrase.judge import Judge
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from tests.overlap.test_paraphrases import BREAD, OTHER, SHEEP, bag, says, search, turned


def settings(tmp_path: Path, **decontamination: Any) -> CurateSettings:
    rows = {"train": [turned(BREAD), turned(SHEEP), OTHER + " 3"], "test": [BREAD, SHEEP.replace("30", "31")]}
    sources = []
    for name, questions in rows.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"question": q, "answer": "#### 3"}) + "\n" for q in questions))
        sources.append({"path": str(path), "split": name})
    return CurateSettings.model_validate({"sources": sources, "decontamination": decontamination})


def test_within_curation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    off = curate(settings(tmp_path))
    assert len(off.prompts) == 5
    assert all("embedding" not in found for found in off.summary["overlap"].values())
    judge: list[Judge | None] = [None]
    monkeypatch.setattr(
        ParaphraseSearch, "load", classmethod(lambda cls, asked: ParaphraseSearch(asked, bag, judge[0]))
    )
    found = curate(settings(tmp_path, paraphrases={"model": "bag"}))
    (row,) = found.rejected
    assert (row["stage"], row["reason"]) == ("decontaminate", "review, embedding: cosine 1.000, no judge looked")
    assert turned(BREAD) in row["text"]
    (name,) = found.summary["overlap"]
    assert found.summary["overlap"][name]["n_by_decision"] == {"drop": 0, "review": 1, "template": 1}
    assert f"paraphrases of {name}: 2 rows compared by embeddings; pairs: 2 not judged" in describe(found.summary)
    kept = curate(settings(tmp_path, paraphrases={"model": "bag"}, review="keep"))
    assert len(kept.prompts) == 5
    judge[0] = says("no")
    assert len(curate(settings(tmp_path, paraphrases={"model": "bag"})).prompts) == 5
    judge[0] = says("yes")
    templates = curate(settings(tmp_path, paraphrases={"model": "bag"}, review="keep", template="drop"))
    assert sorted(r["reason"].partition(":")[0] for r in templates.rejected) == [
        "drop, embedding",
        "template, embedding",
    ]


def test_all_rows_of_a_text_are_left_out() -> None:
    """A pair by embeddings names the first row of a text; the others differ from it by their system message alone."""

    def item(name: str, text: str) -> Item:
        prompt = [{"role": "system", "content": name}, {"role": "user", "content": text}]
        row = {"prompt_id": name, "data_source": "s", "prompt": prompt, "metadata_json": "{}"}
        return Item(row, name, ("train",))

    items = [item("a", turned(BREAD)), item("b", turned(BREAD)), item("c", OTHER), item("e", BREAD)]
    splits = {"a": "train", "b": "probe", "c": "train", "e": "test"}
    found = decontaminate(items, splits, Decontamination(), search(says("yes")))
    assert [i.id for i in found.items] == ["c", "e"]
    assert [r.prompt_id for r in found.rejected] == ["a", "b"]


def test_curation_stops_at_a_model_before_it_reads_a_file(tmp_path: Path) -> None:
    asked = {"paraphrases": {"model": str(tmp_path / "nothing")}}
    with pytest.raises(models.ModelError, match=r"embedding model .*nothing: cannot be loaded"):
        curate(CurateSettings.model_validate({"sources": [{"path": "no.jsonl"}], "decontamination": asked}))
