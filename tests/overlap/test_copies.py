"""Altered copies of real problems, by the benchmark that measures them (`python -m benchmarks.copies`)."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.alterations import COPIES, KINDS, NOT_COPIES, PARTS
from benchmarks.copies import WORD_PROBLEMS, alarms, decisions, field, frame, generated
from rlpipe.overlap.scan import Scan, index_of
from tests.curate.data import gsm8k


def found(counts: Counter[str]) -> float:
    return (counts["drop"] + counts["review"]) / sum(counts.values())


def check(measured: dict[str, Counter[str]]) -> None:
    for kind in COPIES:
        assert sum(measured[kind].values()) >= 20, kind
        assert found(measured[kind]) >= 0.99, kind
        assert measured[kind]["template"] == 0, kind
    for kind in NOT_COPIES:
        assert found(measured[kind]) == 0, f"{kind}: {measured[kind]}"


def test_word_problems() -> None:
    measured = decisions(field(WORD_PROBLEMS, "problem"))
    check(measured)
    for kind in NOT_COPIES:
        assert set(+measured[kind]) == {"template"}, kind
    for kind in ("first half", "second half"):
        assert found(measured[kind]) >= 0.95, kind
    assert set(measured) == set(KINDS) == {*COPIES, *NOT_COPIES, *PARTS}


def test_problems_of_families_by_their_words() -> None:
    """Short, of symbols, and of one template each: what tells them apart are their numbers and letters."""
    check(decisions(generated(20)))


def test_gsm8k() -> None:
    folder = gsm8k()
    measured = decisions(field(folder / "test.jsonl", "question", 200))
    check(measured)
    for kind in NOT_COPIES:
        assert measured[kind]["template"] >= 0.99 * sum(measured[kind].values()), kind


def test_a_stock_phrase_is_neither_copy_nor_template() -> None:
    """GSM8K's questions share phrases such as `what is the sum of the ages of`."""
    folder = gsm8k()
    train, test = (field(folder / f"{name}.jsonl", "question") for name in ("train", "test"))
    counts, rows = alarms(train, test)
    assert rows <= 0.001 * len(train)
    assert counts["template"] <= 12, counts


@pytest.mark.parametrize(
    ("train", "evaluation", "decision"),
    [
        ("- What is 2 + 2, all told?", "What is 2+2, all told?", "drop"),
        ("**Who** wrote *Hamlet*, in the end, for 3 coins?", "Who wrote Hamlet, in the end, for 3 coins?", "drop"),
        ("It fell from -5 to 3, by how much?", "It fell from 5 to 3, by how much?", "template"),
        ("What is 2 + -2, all told?", "What is 2+2, all told?", "template"),
        ("5. Compute 17+25. (2 points)", "Compute 17 + 25", "drop"),
        ("What is 2 2, all told?", "What is 2+2, all told?", "template"),
    ],
)
def test_marks_around_a_copy_are_no_operators(train: str, evaluation: str, decision: str) -> None:
    assert [
        p.finding.decision for p in Scan(index_of([frame([("e", evaluation)])])).pairs([frame([("t", train)])])
    ] == [decision]


@pytest.mark.parametrize("phrase", ["What is the sum of the ages of", "how many hours in 3 days does he spend"])
def test_of_different_problems(phrase: str) -> None:
    one = f"Ana has 4 sons and 9 nephews who were all born in Lima or in Quito before the war. {phrase} the boys?"
    other = f"Some 12 teachers of a school in Oslo met 6 times this year and once abroad. {phrase} those present?"
    counts, rows = alarms([other], [one])
    assert not counts
    assert rows == 0
