"""A failing verifier stops the run with a message that says which and why."""

from __future__ import annotations

import pytest

from rlpipe.types import Status, Verdict
from rlpipe.verifiers.error_rate import ErrorRate, VerifierFailing


def verdicts(status: Status, n: int, verifier: str = "answer") -> list[Verdict]:
    return [Verdict(0.0, status, "9!", None, verifier, "1")] * n


def test_two_percent_are_allowed_and_not_one_more() -> None:
    guard = ErrorRate()
    guard.observe(verdicts("timeout", 20) + verdicts("wrong", 980))
    assert guard.rates() == {"answer": 0.02}
    with pytest.raises(
        VerifierFailing, match=r"verifier 'answer': 21 of the last 1000 .*2\.1%.*error on '9!', prompt p7"
    ):
        ErrorRate().observe(verdicts("wrong", 979) + verdicts("error", 21), [""] * 999 + ["p7"])


def test_not_before_a_thousand() -> None:
    guard = ErrorRate()
    guard.observe(verdicts("error", 999))
    with pytest.raises(VerifierFailing, match="1000 of the last 1000"):
        guard.observe(verdicts("error", 1))
    with pytest.raises(VerifierFailing):
        ErrorRate(minimum=10).observe(verdicts("error", 10))


def test_early_failures_count_once_the_minimum_is_reached() -> None:
    guard = ErrorRate()
    guard.observe(verdicts("error", 100))
    with pytest.raises(VerifierFailing):
        guard.observe(verdicts("ok", 900))


def test_the_window_forgets() -> None:
    guard = ErrorRate(window=100, minimum=50, limit=0.5)
    guard.observe(verdicts("ok", 50) + verdicts("error", 40) + verdicts("ok", 200))
    assert guard.rates() == {"answer": 0.0}


def test_verifiers_are_judged_apart_and_slow_programs_are_wrong_programs() -> None:
    guard = ErrorRate(minimum=10, window=10)
    guard.observe(verdicts("timeout", 100, "code"))
    guard.observe(verdicts("no_answer", 100))
    with pytest.raises(VerifierFailing, match="'answer'"):
        guard.observe(verdicts("timeout", 1, "answer+math_verify"))
    with pytest.raises(VerifierFailing, match="'code'"):
        guard.observe(verdicts("error", 1, "code"))


def test_state_round_trip() -> None:
    guard = ErrorRate(limit=1.0, window=10)
    guard.observe(verdicts("error", 3) + verdicts("ok", 4))
    copy = ErrorRate(limit=1.0, window=10)
    copy.load_state_dict(guard.state_dict())
    assert copy.rates() == guard.rates()
    assert copy.state_dict() == guard.state_dict()


@pytest.mark.parametrize("wrong", [{"limit": 1.5}, {"window": 0}, {"minimum": 2000}])
def test_refused_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="error rate guard"):
        ErrorRate(**wrong)  # type: ignore[arg-type]
