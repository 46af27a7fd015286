"""Every rule of the verdict at its boundary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlpipe.contamination.probes.completion_rate import Rate
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.contamination.verdict import Copies, Evidence, Finding, verdict, verdict_rows
from rlpipe.statistics.auc import Interval
from rlpipe.statistics.random_reward import Gain

SETTINGS = ContaminationSettings()
CHANCE, ABOVE = Interval(0.52, 0.42, 0.62), Interval(0.70, 0.60, 0.80)
NO_RISE, RISE = Interval(0.02, -0.05, 0.09), Interval(0.18, 0.05, 0.31)
QUIET = Finding("Self-Critique", 50, 50, CHANCE, CHANCE, NO_RISE, p=0.3)
LOUD = replace(QUIET, run=ABOVE, difference=RISE, p=0.0001)
CLEAN = Evidence("bench", Copies(200, 0), QUIET, power=ABOVE)


def decide(**changes: object) -> tuple[str, str]:
    found = verdict(replace(CLEAN, **changes), SETTINGS)
    return found.decision, " | ".join(found.reasons)


def test_clean_needs_a_comparison_and_a_probe_and_says_what_the_probe_can_see() -> None:
    decision, reasons = decide()
    assert decision == "clean"
    assert "none of 200 prompts" in reasons
    assert "it does see prompts that were trained on (AUC 0.70" in reasons
    assert "it does not see" in decide(power=CHANCE)[1]
    assert decide(copies=None)[0] == "unknown"
    assert decide(primary=None)[0] == "unknown"
    assert "not probed with self_critique" in decide(primary=None)[1]


@pytest.mark.parametrize(
    ("drop", "expected"),
    [(0, "clean"), (1, "review"), (2, "contaminated")],  # of 200: below, and at, 1 %
)
def test_copies_in_the_training_prompts(drop: int, expected: str) -> None:
    assert decide(copies=Copies(200, drop))[0] == expected


def test_near_copies_ask_for_review_and_templates_do_not() -> None:
    assert decide(copies=Copies(200, 0, review=1))[0] == "review"
    decision, reasons = decide(copies=Copies(200, 0, template=40))
    assert decision == "clean"
    assert "40 of 200 share a template" in reasons


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "contaminated"),
        ({"run": Interval(0.6, 0.5, 0.7)}, "clean"),  # a bound at 0.5 is not above chance
        ({"difference": Interval(0.1, 0.0, 0.2)}, "review"),  # nor a bound at 0 a rise
        ({"difference": None, "control": None}, "review"),
        ({"n1": 49}, "review"),
        ({"n0": 49}, "review"),
        ({"n1": 50, "n0": 50}, "contaminated"),
        ({"control": Interval(0.6, 0.51, 0.7)}, "unknown"),  # the control is not at chance
        ({"control": Interval(0.4, 0.3, 0.49)}, "unknown"),
        ({"control": Interval(0.45, 0.4, 0.5)}, "contaminated"),  # a bound at 0.5 is chance
    ],
)
def test_the_primary_detector(change: dict[str, object], expected: str) -> None:
    assert decide(primary=replace(LOUD, **change))[0] == expected


def test_few_prompts_cannot_call_a_benchmark_clean() -> None:
    decision, reasons = decide(primary=replace(QUIET, n1=49))
    assert decision == "unknown"
    assert "fewer than 50 per class" in reasons


def test_other_detectors_are_corrected_for_all_of_them() -> None:
    others = [replace(QUIET, method=f"other{i}", p=0.5) for i in range(8)]
    hit = replace(LOUD, method="PPL")
    assert decide(others=[*others, replace(hit, p=0.05 / 9)])[0] == "review"
    assert decide(others=[*others, replace(hit, p=0.05 / 9 + 1e-6)])[0] == "clean"
    assert decide(others=[*others, replace(hit, p=1e-6, difference=NO_RISE)])[0] == "clean"
    assert decide(others=[*others, replace(hit, p=1e-6, difference=None)])[0] == "clean"
    second = replace(hit, method="CDD", p=0.05 / 8)  # step-down: the first is out of the way
    assert "CDD" in decide(others=[*others[:7], replace(hit, p=1e-6), second])[1]


@pytest.mark.parametrize(
    ("rate", "control", "expected"),
    [
        (Rate(0, 50, 0.0, 0.07), Rate(0, 50, 0.0, 0.07), "clean"),
        (Rate(6, 50, 0.05, 0.24), None, "clean"),  # the bound is at 5 %
        (Rate(7, 50, 0.06, 0.26), None, "review"),
        (Rate(20, 50, 0.28, 0.54), Rate(20, 50, 0.28, 0.54), "review"),  # known before training too
        (Rate(5, 500, 0.004, 0.02), Rate(0, 5000, 0.0, 0.001), "review"),  # rare, but new since
    ],
)
def test_completed_questions(rate: Rate, control: Rate | None, expected: str) -> None:
    decision, reasons = decide(completed=rate, completed_control=control)
    assert decision == expected
    assert "questions completed word for word" in reasons


@pytest.mark.parametrize(("lo", "expected"), [(-0.01, "clean"), (0.0, "clean"), (0.001, "review"), (None, "clean")])
def test_a_gain_under_random_rewards(lo: float | None, expected: str) -> None:
    assert decide(random_reward=Gain("bench", 0.05, lo, 0.1, 40))[0] == expected


def test_the_gravest_reason_decides_and_comes_first() -> None:
    found = verdict(
        replace(CLEAN, copies=Copies(200, 1), primary=LOUD, random_reward=Gain("b", 0.1, 0.05, 0.2, 9)), SETTINGS
    )
    assert found.decision == "contaminated"
    assert found.reasons[0].startswith("Self-Critique: AUC 0.70 [0.60, 0.80], 50 against 50")
    assert len(found.reasons) == 3
    row = verdict_rows([found], "run/seed-0")[0]
    assert row["reason"].splitlines() == list(found.reasons)


def test_every_verdict_has_a_reason() -> None:
    assert verdict(Evidence("bench"), SETTINGS).reasons == (
        "not compared with the training prompts",
        "not probed with self_critique",
    )
