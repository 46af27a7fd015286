"""What many looks at one split cost: worked numbers, and the luck of winners by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.reliability.reuse import family_error, half_width, state, winners_inflation


def test_the_worked_example() -> None:
    assert [half_width(500, k) for k in (1, 10, 100, 1000)] == pytest.approx(
        [0.060736, 0.077405, 0.091072, 0.102940], abs=1e-6
    )
    assert [family_error(k) for k in (1, 10, 100)] == pytest.approx([0.05, 0.401263, 0.994079], abs=1e-6)
    assert [winners_inflation(0.5, n, k) for n, k in ((200, 5), (500, 20))] == pytest.approx([0.0634, 0.0547], abs=1e-4)


def test_the_luck_of_a_winner_stays_below_the_bound() -> None:
    best = np.random.default_rng(0).binomial(200, 0.5, (4000, 20)).max(axis=1) / 200 - 0.5
    assert 0.6 < best.mean() / winners_inflation(0.5, 200, 20) < 1


def test_a_report_says_what_a_split_supports() -> None:
    assert state(500, 1, 1, 0.02, 0.5) == "supported"
    assert state(500, 6, 6, 0.2, 0.5) == "corrected"
    assert state(500, 6, 6, 0.02, 0.5) == "not supported"
    assert state(500, 51, 6, 0.4, 0.5) == "not supported"
