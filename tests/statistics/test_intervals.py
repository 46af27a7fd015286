"""Intervals: published numbers, and what happens at the edges. Coverage has its own file."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.intervals import (
    cluster_se,
    interval,
    percentile_interval,
    resamples,
    sampling_se,
    t_interval,
)

X = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0]])
MEANS = X.mean(axis=1)


def test_standard_errors_have_the_worked_values() -> None:
    assert MEANS.tolist() == [0.75, 0.25, 1, 0, 0.5]
    assert cluster_se(MEANS)[0] == pytest.approx(0.176777, abs=1e-6)
    assert sampling_se(X) == pytest.approx(0.091287, abs=1e-6)


def test_t_interval_has_the_worked_values() -> None:
    low, high = t_interval(MEANS)
    assert (low[0], high[0]) == pytest.approx((0.009189, 0.990811), abs=1e-6)


def test_percentile_interval_has_the_worked_values() -> None:
    low, high = percentile_interval(MEANS, draws=10_000, seed=0)
    assert (low[0], high[0]) == pytest.approx((0.2, 0.8), abs=1e-12)


@pytest.mark.parametrize("m", [2, 5, 30])
def test_resamples_are_one_call_of_the_generator(m: int) -> None:
    blocks = np.concatenate(list(resamples(m, 2500, 3)))
    index = np.random.default_rng(3).integers(0, m, (2500, m))
    assert (blocks == np.stack([np.bincount(row, minlength=m) for row in index])).all()


@pytest.mark.parametrize("method", ["mid_p", "bootstrap_problem", "t"])
def test_every_method_holds_its_value_and_repeats(method: str) -> None:
    values = np.random.default_rng(1).beta(0.5, 2, (25, 3))
    found = interval(values, method, draws=2000)  # type: ignore[arg-type]
    assert found == interval(values, method, draws=2000)  # type: ignore[arg-type]
    for i, f in enumerate(found):
        assert f.method == method
        assert f.value == pytest.approx(values[:, i].mean())
        assert f.low is not None
        assert f.high is not None
        assert 0 <= f.low < f.value < f.high <= 1


def test_columns_do_not_depend_on_each_other() -> None:
    values = np.random.default_rng(1).random((12, 4))
    together = interval(values, draws=1000)
    apart = [interval(values[:, i], draws=1000)[0] for i in range(4)]
    assert [f.low for f in together] == pytest.approx([f.low for f in apart], abs=1e-12)


def test_one_problem_has_no_interval() -> None:
    (found,) = interval([0.4])
    assert (found.value, found.se, found.low, found.high, found.method) == (0.4, None, None, None, "none")


def test_all_problems_solved_or_none_is_no_certainty() -> None:
    for method in ("mid_p", "bootstrap_t", "t"):
        (solved,) = interval(np.ones(20), method)  # type: ignore[arg-type]
        assert (solved.low, solved.high, solved.method) == (pytest.approx(0.05 ** (1 / 20)), 1.0, "mid_p")
        (failed,) = interval(np.zeros(20), method)  # type: ignore[arg-type]
        assert (failed.low, failed.high) == (0.0, pytest.approx(1 - 0.05 ** (1 / 20)))


def test_equal_values_between_the_ends_have_a_width_that_falls_with_their_number() -> None:
    (few,), (many,) = (interval(np.full(n, 0.4)) for n in (30, 300))
    assert few.high - few.low > 5 * (many.high - many.low) > 0  # type: ignore[operator]


def test_equal_unbounded_values_have_no_interval() -> None:
    (found,) = interval(np.full(20, 7.0), bounded=False)
    assert (found.low, found.high, found.method) == (None, None, "none")


def test_a_resample_of_equal_values_does_not_widen_to_infinity() -> None:
    values = np.zeros(30)
    values[0] = 1.0
    (found,) = interval(values, bounded=False, draws=2000)
    assert found.high is not None
    assert found.high < 1.0


def test_the_unbounded_interval_moves_with_the_unit() -> None:
    values = np.random.default_rng(2).lognormal(0, 1, 40)
    (a,), (b,) = (interval(v, bounded=False, draws=1000) for v in (values, 100 * values + 5))
    assert b.low == pytest.approx(100 * a.low + 5)  # type: ignore[operator]
    assert b.high == pytest.approx(100 * a.high + 5)  # type: ignore[operator]


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="problem 1"):
        interval([0.5, float("nan")])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        interval([0.5, 1.5])
    with pytest.raises(ValueError, match="at least one problem"):
        interval([])
