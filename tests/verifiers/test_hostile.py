"""Hostile answers by the hundred: none hangs, none outlives its limit, none is scored, no process is left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

import pytest

from rlpipe.types import Verdict
from rlpipe.verifiers.answer import EVALUATION, TRAINING, AnswerSpec, decide, verify_answer
from rlpipe.verifiers.code import CodeSpec, CodeTest, verify_program
from rlpipe.verifiers.sandbox import Limits
from rlpipe.verifiers.symbolic import SymbolicPool
from tests.verifiers import hostile
from tests.verifiers.processes import QUADRATIC, alive, left_behind, timely

EXACT = AnswerSpec(symbolic=False)


def judge_exactly(texts: Iterable[str]) -> list[Verdict]:
    """Verdicts of the exact steps; read in linear time, however long the text."""
    verdicts = []
    for text in texts:
        for gold in hostile.GOLDS:
            begun = time.process_time()
            verdicts.append(decide(text, gold, EXACT).verdict)
            assert time.process_time() - begun < QUADRATIC, text[:80]
            f"{verdicts[-1].extracted}{verdicts[-1].canonical}".encode()  # can be written to a file
    return verdicts


def judge_symbolically(texts: Iterable[str], pool: SymbolicPool) -> list[str]:
    """Statuses of what is sent to the workers; each is there within the pool's wall clock."""
    statuses = []
    for text in texts:
        for pair in decide(text, hostile.GOLDS[0], TRAINING).pairs:
            # Before the clock runs, a killed worker's successor has started.
            statuses.append(timely(partial(pool.compare, *pair), pool.wall, prepare=partial(pool.compare, "x", "x")))
    return statuses


def judge_programs(programs: Iterable[str], limits: Limits) -> list[Verdict]:
    spec, verdicts = CodeSpec((CodeTest("7\n", "49\n"),), limits), []
    for program in programs:
        verdicts.append(timely(partial(verify_program, program, spec), limits.seconds))
        assert alive("sandbox_harness") == []
    return verdicts


def test_two_hundred() -> None:
    before = alive("")
    assert not any(v.score for v in judge_exactly(hostile.texts(120)))
    assert not any(v.score for v in judge_exactly(hostile.megabytes(10)))
    pool = SymbolicPool(size=1, wall=0.8, inner=0.5)
    try:
        assert "ok" not in judge_symbolically(hostile.expensive(10), pool)
    finally:
        pool.close()
    verdicts = judge_programs(hostile.programs(60), Limits(seconds=0.6, memory=2**28))
    assert {v.status for v in verdicts} <= {"wrong", "timeout"}
    assert left_behind(before) == []


@pytest.mark.slow
def test_a_thousand_as_shipped() -> None:
    """With the limits users get, through the public functions."""
    before = alive("")
    verdicts = judge_exactly(hostile.texts(480)) + judge_exactly(hostile.megabytes(40))
    assert not any(v.score for v in verdicts)
    pool = SymbolicPool(size=2)
    try:
        assert "ok" not in judge_symbolically(hostile.expensive(40), pool)
        assert "ok" not in judge_symbolically(hostile.texts(300, seed=1), pool)
    finally:
        pool.close()
    for text in hostile.texts(100, seed=2):
        assert not verify_answer(text, hostile.GOLDS[1], EVALUATION).correct
    verdicts = judge_programs(hostile.programs(140), Limits())
    assert not any(v.score for v in verdicts)
    assert {v.status for v in verdicts} <= {"wrong", "timeout", "no_answer"}
    assert left_behind(before + alive("symbolic_worker")) == []  # the shared pool keeps its workers
