"""The mid-P interval: worked values, monotone in the misses, and how many trials values are worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlpipe.statistics.intervals import interval
from rlpipe.statistics.proportion import deviating, mid_p, trials_worth


@pytest.mark.parametrize(("hits", "n"), [(1, 30), (29, 30), (12, 20), (121, 122), (250, 500)])
def test_each_tail_with_half_of_the_observed_count_is_its_share(hits: int, n: int) -> None:
    (low,), (high,) = mid_p(hits, n)
    assert stats.binom.cdf(hits - 1, n, high) + stats.binom.pmf(hits, n, high) / 2 == pytest.approx(0.025)
    assert stats.binom.sf(hits, n, low) + stats.binom.pmf(hits, n, low) / 2 == pytest.approx(0.025)


def test_bounds_fall_with_every_miss() -> None:
    """Of 122 problems; the exact binomial lower bounds are 0.970, 0.955, 0.942, 0.930, 0.918."""
    lows = [interval(np.r_[np.zeros(missed), np.ones(122 - missed)])[0].low for missed in range(5)]
    assert lows == pytest.approx([0.9757, 0.9602, 0.9469, 0.9346, 0.9228], abs=1e-4)


@given(st.integers(2, 200), st.data())
def test_more_misses_never_raise_a_bound(m: int, data: st.DataObject) -> None:
    missed = data.draw(st.integers(0, m - 1))
    before, after = (interval(np.r_[np.zeros(n), np.ones(m - n)])[0] for n in (missed, missed + 1))
    assert after.low <= before.low  # type: ignore[operator]
    assert after.high <= before.high  # type: ignore[operator]


@given(st.lists(st.integers(0, 16), min_size=2, max_size=60))
def test_the_interval_mirrors_and_holds_its_value(hits: list[int]) -> None:
    values = np.array(hits) / 16
    (found,), (mirrored,) = interval(values), interval(1 - values)
    assert 0 <= found.low <= found.value + 1e-12 <= found.high + 2e-12 <= 1 + 2e-12  # type: ignore[operator]
    assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-9)  # type: ignore[operator]


def test_coins_are_worth_one_trial_each_and_steady_problems_more() -> None:
    coins = np.r_[np.zeros(20), np.ones(30)][:, None]
    assert trials_worth(coins) == pytest.approx(50)
    steady = np.tile([0.4, 0.6], 25)[:, None]
    assert 500 < trials_worth(steady)[0] < 1250  # twenty-five times as many, were the spread known


def test_a_few_deviating_problems_are_taken_for_coins() -> None:
    one = np.r_[0.9, np.ones(99)][:, None]
    assert deviating(one) == pytest.approx(1)
    assert trials_worth(one)[0] < 1.2 * 100


@pytest.mark.parametrize(("hits", "n"), [(11, 10), (-1, 10), (0, 0)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} successes of {n}"):
        mid_p(hits, n)
