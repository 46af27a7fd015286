"""Calibration of agreement: worked numbers, and what a perfect policy looks like."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.reliability.calibration import aurc, auroc, balance, calibration, ece, ece_null, risks

C = [0.95, 0.9, 0.9, 0.8, 0.7, 0.7, 0.6, 0.5, 0.4, 0.3]
Y = [1, 1, 0, 1, 1, 0, 1, 0, 1, 0]


def test_the_worked_example() -> None:
    found = calibration(C, Y, bins=5)
    assert (found.ece, found.ece_equal_mass, found.brier) == pytest.approx((0.135, 0.195, 0.23025), abs=1e-6)
    assert (found.gap, balance(C, Y)) == pytest.approx((-0.075, -0.135), abs=1e-9)
    assert (found.aurc, found.excess_aurc) == pytest.approx((0.286071, 0.286071 - 0.112619), abs=2e-6)


def test_risks_of_distinct_confidences_are_the_error_rates_of_the_most_confident() -> None:
    ranked = np.linspace(1, 0.1, 10)
    expected = [0, 0, 0.333333, 0.25, 0.2, 0.333333, 0.285714, 0.375, 0.333333, 0.4]
    assert risks(ranked, Y) == pytest.approx(expected, abs=1e-6)
    assert aurc(ranked, Y) == pytest.approx(0.251071, abs=1e-6)


def test_gaps_of_opposite_sign_cancel_in_the_balance_and_not_in_the_ece() -> None:
    c, y = [0.9] * 10 + [0.6] * 10, [1] * 8 + [0] * 2 + [1] * 7 + [0] * 3
    assert balance(c, y) == pytest.approx(0, abs=1e-12)
    assert ece(c, y) == pytest.approx(0.1)


def test_a_perfect_policy_has_an_ece_above_zero_and_below_its_null() -> None:
    rng = np.random.default_rng(0)
    c = rng.random(500)
    found = [ece(c, rng.random(500) < c) for _ in range(200)]
    # Ten normal gaps, each of sd sqrt(c (1 - c) / (10 N)), whose mean over uniform c is pi / 8.
    expected = 10 * np.sqrt(2 / np.pi) * np.pi / 8 / np.sqrt(10 * 500)
    assert np.mean(found) == pytest.approx(expected, rel=0.08)
    null = ece_null(c)
    assert np.mean([f <= null for f in found]) == pytest.approx(0.95, abs=0.035)


def test_where_all_are_right_there_is_no_order_to_judge() -> None:
    assert auroc([0.2, 0.4], [1, 1]) is None
    assert calibration([0.2, 0.4], [1, 1], draws=10).excess_aurc == 0


def test_what_is_no_confidence_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1\.2"):
        ece([0, 1.2], [1, 0])
    with pytest.raises(ValueError, match="one of each"):
        ece([0.5], [1, 0])
