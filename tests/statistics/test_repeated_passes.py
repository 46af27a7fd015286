"""Several passes: the protocol's toy, and its identities."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.repeated_passes import interval_of_mean, noise, one_pass_interval, run_deviation, summary

M1 = {"A": [0.50, 0.54, 0.46], "B": [0.20, 0.20, 0.26]}
M2 = {"A": [0.6, 0.6, 0.6], "B": [0.1, 0.3, 0.2]}


def test_summary_has_the_worked_values() -> None:
    first, second = summary(M1), summary(M2)
    assert (first.mean, second.mean) == pytest.approx((0.36, 0.40), abs=1e-12)
    assert (first.run_deviation, second.run_deviation) == pytest.approx((0.087273, 0.166667), abs=1e-6)
    assert first.one_pass == pytest.approx((0.33, 0.396), abs=1e-12)
    assert first.se_of_mean == pytest.approx(0.015275, abs=1e-6)
    assert first.mean_interval == pytest.approx((0.330061, 0.389939), abs=1e-6)
    assert first.num_passes == 3


def test_noise_has_the_worked_values() -> None:
    found = noise({"m1": M1, "m2": M2})
    assert found["m1"] == pytest.approx((0.566052, 0.350215), abs=1e-6)
    assert found["m2"] == pytest.approx((1.155446, 1.086957), abs=1e-6)


def test_a_benchmark_without_spread_has_no_z_scores() -> None:
    assert noise({"m1": {"A": [0.5, 0.5]}, "m2": {"A": [0.5, 0.5]}}) == {"m1": (0.0, 0.0), "m2": (0.0, 0.0)}


def test_one_pass_is_wider_than_the_mean_by_the_root_of_the_passes() -> None:
    rng = np.random.default_rng(0)
    passes = {name: rng.normal(0.5, 0.05, 400) for name in "ABC"}
    low, high = one_pass_interval(passes, draws=20_000)
    mean_low, mean_high, _ = interval_of_mean(passes)
    assert (high - low) / (mean_high - mean_low) == pytest.approx(np.sqrt(400), rel=0.05)


def test_few_passes_widen_the_interval_of_the_mean() -> None:
    low, high, _ = interval_of_mean(M1)
    wider_low, wider_high, _ = interval_of_mean(M1, small_sample=True)
    assert wider_low < low - 0.01
    assert wider_high > high + 0.01


def test_tails_are_of_quality_below_and_cost_above() -> None:
    found = summary({"A": np.linspace(0, 1, 101)}, {"A": np.arange(101.0)})
    assert (found.p5_quality, found.p95_cost) == pytest.approx((0.05, 95.0))


def test_run_deviation_does_not_depend_on_scale() -> None:
    doubled = {b: 2 * np.array(q) for b, q in M1.items()}
    assert run_deviation(doubled) == pytest.approx(run_deviation(M1), rel=1e-5)


def test_a_single_pass_shows_no_spread() -> None:
    with pytest.raises(ValueError, match="at least two"):
        summary({"A": [0.5]})
    with pytest.raises(ValueError, match="no benchmark"):
        summary({})
    with pytest.raises(ValueError, match="benchmarks"):
        noise({"m1": M1, "m2": {"A": [0.1, 0.2]}})


def test_bounds_of_a_quality_stay_within_zero_and_one() -> None:
    low, high, _ = interval_of_mean({"A": [1.0, 1.0, 0.9]})
    assert (low > 0.9, high) == (True, 1.0)
    assert interval_of_mean({"A": [0.0, 0.1]})[0] == 0.0
