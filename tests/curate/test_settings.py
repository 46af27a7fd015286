from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rlpipe.curate.settings import SPLITS, CurateSettings, Decontamination, FileSource, GymSource, TaskSource
from rlpipe.curate.splits import split_of
from rlpipe.overlap.thresholds import OverlapThresholds

FILE = {"path": "x.jsonl"}
ONLY_TEST = {"demonstration": 0, "train": 0, "probe": 0, "test": 1}


def test_a_source_is_known_by_its_key() -> None:
    sources = [
        {"task": "countdown", "levels": {"easy": 3}},
        {"reasoning_gym": "gcd", "size": 5},
        FILE | {"split": "test"},
    ]
    settings = CurateSettings.model_validate({"sources": sources})
    assert [type(source) for source in settings.sources] == [TaskSource, GymSource, FileSource]
    assert settings.sources[0].splits == SPLITS
    assert settings.sources[2].splits == ("test",)
    assert CurateSettings.model_validate(settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sources": []}, "at least 1 item"),
        ({"sources": [{"size": 3}]}, "exactly one of the keys task, reasoning_gym, path"),
        ({"sources": [FILE | {"task": "countdown"}]}, "exactly one of the keys"),
        ({"sources": [{"task": "countdown", "levels": {"easy": 0}}]}, "greater than or equal to 1"),
        ({"sources": [FILE | {"splits": ["validation"]}]}, "'demonstration', 'train', 'probe' or 'test'"),
        ({"sources": [FILE | {"format": "csv"}]}, "format 'csv' is not one of auto, rlpipe, "),
        ({"sources": [FILE | {"columns": {"promt": "q"}}]}, "Extra inputs are not permitted"),
        (
            {"sources": [FILE | {"format": "verl", "columns": {"answer": "a"}}]},
            "files in the layout verl have their own",
        ),
        ({"sources": [FILE | {"columns": {"pattern": "(a)(b)"}}]}, "has 2 groups; one is taken"),
        ({"sources": [FILE | {"columns": {"pattern": "(a"}}]}, "is no regular expression"),
        ({"sources": [FILE | {"columns": {"choice": 2}}]}, "'letter', 'text', 0 or 1"),
        ({"fractions": {"train": 0.9}}, "add up to 1.35; they must add up to 1"),
        ({"fractions": ONLY_TEST, "sources": [FILE | {"splits": ["train", "probe"]}]}, "are all 0"),
        ({"decontamination": {"coverage_review": 0.9}}, "review must be the lower of the two"),
        ({"decontamination": {"ngram": 5}}, "below coverage_ngram"),
        ({"decontamination": {"review": "ask"}}, "'drop' or 'keep'"),
        ({"thresholds": 1}, "Extra inputs are not permitted"),
    ],
)
def test_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CurateSettings.model_validate({"sources": [FILE]} | changed)


def test_thresholds_are_those_of_the_specification() -> None:
    t = OverlapThresholds()
    assert (t.ngram, t.coverage_ngram, t.coverage_drop, t.coverage_review, t.lcs_drop) == (13, 8, 0.5, 0.2, 0.8)
    assert (t.shingle, t.short_shingle, t.short_words, t.jaccard_drop, t.jaccard_review) == (5, 3, 20, 0.8, 0.5)
    assert Decontamination().template == "keep"


def test_splits_have_the_shares_asked_for_and_do_not_depend_on_one_another() -> None:
    fractions = CurateSettings.model_validate({"sources": [FILE]}).fractions
    ids = [f"{i:032x}" for i in range(4000)]
    first = [split_of(i, SPLITS, fractions, 0) for i in ids]
    shares = {name: first.count(name) / len(ids) for name in SPLITS}
    assert shares == pytest.approx(fractions.model_dump(), abs=0.03)
    assert first != [split_of(i, SPLITS, fractions, 1) for i in ids], "another seed, other splits"
    limited = [split_of(i, ("train", "probe"), fractions, 0) for i in ids]
    assert set(limited) == {"train", "probe"}
    assert limited.count("train") / len(ids) == pytest.approx(0.55 / 0.65, abs=0.03)
    assert {split_of(i, ("test",), fractions, 0) for i in ids} == {"test"}
