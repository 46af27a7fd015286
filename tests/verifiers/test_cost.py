"""What would take too long is refused before it begins, and an answer that makes the worker fail is a wrong answer."""

from __future__ import annotations

import time

import pytest

from rlpipe.types import Status
from rlpipe.verifiers import answer
from rlpipe.verifiers.answer import EVALUATION, TRAINING, gold_status, verify_answer, verify_answers
from rlpipe.verifiers.cost import DIGITS, too_costly
from rlpipe.verifiers.error_rate import FAILURES

COSTLY = [
    r"9^{9^{9^9}}",
    "9^9^9^9",
    r"\sum_{k=1}^{1000000} \sin(k)",
    "99999999!",
    "(x+y)^{100000}",
    r"\binom{1000000}{500000}",
    r"\prod_{k=1}^{10^9} k",
    "((10!)!)!",
    "(1+x)^{999}(1+y)^{999}",
    "10^{10^{100}}",
    "3!!",
    r"2^{5000000}",
]
CHEAP = [
    "2^{1009}",
    r"\frac{1}{2004!}",
    "x^{2024}",
    "(x+1)^{10}",
    "e^{-40}",
    r"\binom{100}{50}",
    "2^{3^{4}}",
    "n!",
    "10^{400}",
]


@pytest.mark.parametrize("text", COSTLY)
def test_refused_at_once(text: str) -> None:
    verify_answer(r"\boxed{\sqrt{8}}", r"2\sqrt{2}")  # the workers have started
    begun = time.monotonic()
    verdict = verify_answer(f"\\boxed{{{text}}}", r"2\sqrt{2}", EVALUATION)
    assert time.monotonic() - begun < 0.5
    assert (verdict.status, verdict.score) == ("wrong", 0.0)


@pytest.mark.parametrize("text", CHEAP)
def test_not_refused(text: str) -> None:
    assert not too_costly(text, "x")
    assert gold_status(text) == "ok"


def test_the_bound_on_digits_is_where_it_says() -> None:
    assert not too_costly(f"10^{{{DIGITS - 1}}}", "x")
    assert too_costly(f"10^{{{DIGITS + 1}}}", "x")


def test_a_sum_is_asked_about_where_the_reference_has_one() -> None:
    assert too_costly(r"\sum_{k=1}^{9} k", "45x")
    assert not too_costly(r"\sum_{k=1}^{9} k x", r"\sum_{j=1}^{9} j x")
    assert too_costly(r"\sum_{k=1}^{9999} k", r"\sum_{j=1}^{9} j")


class Failing:
    """A pool that fails on some answers, or on everything."""

    def __init__(self, status: Status, on: str):
        self.status, self.on = status, on

    def compare(self, gold: str, prediction: str) -> Status:
        return self.status if self.on in prediction else "ok" if gold == prediction else "wrong"

    def compare_many(self, pairs: list[tuple[str, str]]) -> list[Status]:
        return [self.compare(*pair) for pair in pairs]


@pytest.mark.parametrize("status", sorted(FAILURES))
def test_an_answer_that_makes_the_worker_fail_is_wrong(monkeypatch: pytest.MonkeyPatch, status: Status) -> None:
    monkeypatch.setattr(answer, "shared_pool", lambda: Failing(status, "y"))
    assert verify_answers([(r"\boxed{y^2}", "x+1"), (r"\boxed{z+1}", "x+1")], TRAINING)[0].status == "wrong"


@pytest.mark.parametrize("status", sorted(FAILURES))
def test_a_worker_that_fails_on_the_reference_alone_is_the_verifiers_fault(
    monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    monkeypatch.setattr(answer, "shared_pool", lambda: Failing(status, ""))
    assert verify_answer(r"\boxed{y^2}", "x+1").status == status
    assert gold_status("x+1") == status
