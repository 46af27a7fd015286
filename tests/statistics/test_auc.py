"""Metrics A and B of the specification (1.7), planning errors (1.4), and what strict means with few non-members."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from rlpipe.statistics import auc as metrics

NEAR = pytest.approx
A = ([0.9, 0.8, 0.7, 0.4, 0.2], [0.75, 0.5, 0.3, 0.25, 0.1])
B = ([0.9, 0.8, 0.8, 0.6, 0.4, 0.3], [0.8, 0.5, 0.5, 0.2, 0.2, 0.1])


def test_worked_example_without_ties() -> None:
    curve = metrics.roc(*A)
    assert metrics.auc(*A) == NEAR(0.72, abs=1e-6)
    assert curve.best_f1() == (NEAR(0.727272, abs=1e-6), 0.4)
    assert curve.youden() == (NEAR(0.4, abs=1e-6), 0.8, NEAR(0.571428, abs=1e-6))
    assert curve.tpr_at() == NEAR(0.4, abs=1e-6)


def test_worked_example_with_ties() -> None:
    curve = metrics.roc(*B)
    assert metrics.auc(*B) == NEAR(0.777778, abs=1e-6)
    assert curve.best_f1() == (NEAR(0.8, abs=1e-6), 0.3)
    assert curve.youden() == (NEAR(0.5, abs=1e-6), 0.6, NEAR(0.727272, abs=1e-6))
    assert curve.tpr_at() == NEAR(0.166667, abs=1e-6)
    assert metrics.delong(*B).se == NEAR(0.143264, abs=1e-6)


@pytest.mark.parametrize(("area", "n", "expected"), [(0.72, 15, 0.094292), (0.67, 50, 0.053873), (0.5, 15, 0.107152)])
def test_planning_error(area: float, n: int, expected: float) -> None:
    assert metrics.planning_se(area, n, n) == NEAR(expected, abs=1e-6)


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
)
def test_auc_is_mann_whitney_and_the_area_under_the_curve(a: list[int], b: list[int]) -> None:
    expected = mannwhitneyu(a, b).statistic / (len(a) * len(b))
    curve = metrics.roc(a, b)
    assert metrics.auc(a, b) == NEAR(expected, abs=1e-12)
    assert float(np.trapezoid(curve.tpr, curve.fpr)) == NEAR(expected, abs=1e-12)
    assert metrics.auc(b, a) == NEAR(1 - expected, abs=1e-12)


@pytest.mark.parametrize(("n0", "allowed"), [(15, 0), (20, 0), (21, 1), (40, 1), (41, 2)])
def test_false_alarms_stay_strictly_below_five_percent(n0: int, allowed: int) -> None:
    nonmembers = [float(i) for i in range(n0)]
    members = [n0 - 1.5 - allowed + 1, -1.0]  # beats all but `allowed` non-members
    assert metrics.roc(members, nonmembers).tpr_at() == 0.5
    members = [n0 - 1.5 - allowed, -1.0]  # one more non-member is above
    assert metrics.roc(members, nonmembers).tpr_at() == 0.0


def test_a_straight_stretch_of_the_curve_keeps_its_points() -> None:
    shared = [float(i) for i in range(50)]
    assert metrics.roc(shared, shared).tpr_at() == NEAR(0.04)


def test_delong_agrees_with_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(0.5, 1, 80).tolist(), rng.normal(0, 1, 60).tolist()
    exact = metrics.delong(members, nonmembers)
    drawn = metrics.bootstrap(metrics.wins(members, nonmembers), 2000, 0.95, seed=1)
    assert drawn.value == NEAR(exact.value)
    assert drawn.se == NEAR(exact.se, rel=0.1)
    assert (drawn.lo, drawn.hi) == (NEAR(exact.lo, abs=0.02), NEAR(exact.hi, abs=0.02))


def test_intervals_of_chance_scores_cover_one_half() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for i in range(200):
        interval = metrics.bootstrap(metrics.wins(rng.normal(size=40), rng.normal(size=40)), 400, 0.95, seed=i)
        covered += interval.lo <= 0.5 <= interval.hi
    assert 0.90 <= covered / 200 <= 0.99


def test_a_paired_difference_is_narrower_than_the_sum_of_its_parts() -> None:
    rng = np.random.default_rng(3)
    members, nonmembers = rng.normal(size=60), rng.normal(size=60)
    before = metrics.wins(members, nonmembers)
    after = metrics.wins(members + 0.3, nonmembers)
    paired = metrics.bootstrap(after - before, 1000, 0.95, seed=0)
    single = metrics.bootstrap(after, 1000, 0.95, seed=0)
    assert paired.value > 0
    assert paired.hi - paired.lo < 0.5 * (single.hi - single.lo)


def test_bootstrap_depends_on_its_seed_alone() -> None:
    comparison = metrics.wins(*B)
    again = metrics.bootstrap(comparison, 500, 0.95, 7)
    assert metrics.bootstrap(comparison, 500, 0.95, 7) == again
    assert metrics.bootstrap(comparison, 500, 0.95, 8) != again


def test_degenerate_classes_are_refused_or_marked() -> None:
    with pytest.raises(ValueError, match="0 members and 1 non-members"):
        metrics.auc([], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        metrics.auc([math.nan], [1.0])
    assert math.isnan(metrics.delong([1.0], [0.0, 0.1]).lo)


def test_mean_over_sources_is_unweighted_and_skips_sources_of_one_class() -> None:
    members = [("x", 1.0), ("y", 0.0), ("y", 0.0), ("z", 9.0)]
    nonmembers = [("x", 0.0), ("y", 1.0)]
    assert metrics.mean_over_sources(members, nonmembers) == 0.5
    assert math.isnan(metrics.mean_over_sources([("z", 1.0)], [("x", 1.0)]))


def test_roc_points_start_at_nothing_and_end_at_everything() -> None:
    points = metrics.roc_points(*B)
    assert points[0] == {"fpr": 0.0, "tpr": 0.0, "threshold": None}
    assert points[-1] == {"fpr": 1.0, "tpr": 1.0, "threshold": 0.1}
