"""Every gold solution of GSM8K: right against its own answer, wrong against another row's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rlpipe.verifiers.answer import TRAINING, verify_answers

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("RLPIPE_TEST_DATA", ROOT.parent / "shared" / "data")) / "gsm8k"


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    if not DATA.is_dir():
        pytest.skip(f"no GSM8K at {DATA}; set RLPIPE_TEST_DATA to the folder that holds gsm8k/")
    lines = [line for name in ("train", "test") for line in (DATA / f"{name}.jsonl").read_text().splitlines()]
    solutions = [json.loads(line)["answer"] for line in lines]
    return [(solution, solution.rsplit("####", 1)[1].strip()) for solution in solutions]


def test_gold_solutions_verify(rows: list[tuple[str, str]]) -> None:
    assert len(rows) == 8792
    assert all(v.status == "ok" for v in verify_answers(rows, TRAINING))


def test_gold_solutions_do_not_verify_against_other_answers(rows: list[tuple[str, str]]) -> None:
    golds = [gold.replace(",", "") for _, gold in rows]
    moved = golds[1:] + golds[:1]
    pairs = [(s, other) for (s, _), own, other in zip(rows, golds, moved, strict=True) if own != other]
    assert len(pairs) > 8000
    assert {v.status for v in verify_answers(pairs, TRAINING)} == {"wrong"}
