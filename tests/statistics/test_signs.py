"""The sign-flip test and the interval that agrees with it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from rlpipe.statistics.paired import paired
from rlpipe.statistics.signs import lean_interval, sign_flip, signed_mean


def test_every_flip_is_counted() -> None:
    d = np.random.default_rng(0).normal(0.3, 1, 10)
    sums = [abs(float(np.dot(signs, d))) for signs in product((-1, 1), repeat=10)]
    assert sign_flip(d).p == pytest.approx(np.mean(np.array(sums) >= abs(d.sum()) - 1e-12), abs=1e-12)


def test_scipy_finds_the_same_p() -> None:
    d = np.random.default_rng(5).normal(0.4, 1, 12)
    oracle = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(d).p == pytest.approx(oracle.pvalue)


def test_random_flips_agree_with_all_flips_and_repeat() -> None:
    d = np.random.default_rng(1).normal(0.3, 1, 20)
    longer = np.r_[d, 1e-12]  # one more that is not 0 decides how p is found, and nothing else
    found = sign_flip(longer, 100_000, seed=0)
    assert (found.name, found.floor) == ("sign-flip, 100000 draws", 1 / 100_001)
    assert found.p == pytest.approx(sign_flip(d).p, abs=0.005)
    assert found == sign_flip(longer, 100_000, seed=0)


def test_problems_that_do_not_differ_say_nothing_about_the_sign() -> None:
    d = np.random.default_rng(1).normal(0.3, 1, 15)
    assert sign_flip(np.r_[d, np.zeros(200)]) == sign_flip(d)


def test_p_at_the_resolution_of_random_flips_is_a_bound() -> None:
    (found,) = paired(np.zeros(200), np.full(200, 0.5), flips=1000)
    assert (found.p, found.bound) == (1 / 1001, True)
    (exact,) = paired(np.zeros(6), np.ones(6))
    assert (exact.p, exact.bound) == (2 / 64, False)


def test_the_test_rejects_at_its_level_where_nothing_differs() -> None:
    rng = np.random.default_rng(2)
    p = [sign_flip(d, flips=1000).p for d in rng.integers(-3, 4, (1500, 40)) / 16]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.017)


def test_two_problems_of_122_prove_nothing() -> None:
    """Differences of +0.5: the exact test says p = 0.5."""
    (found,) = paired(np.zeros(122), np.r_[0.5, 0.5, np.zeros(120)], bounded=True)
    assert (found.p, found.ci_method) == (0.5, "signs")
    assert found.low < 0 < found.value < found.high < 0.05  # type: ignore[operator]


sizes = st.sampled_from([0.125, 0.25, 0.5, 1.0, 0.3])


@given(st.lists(st.tuples(sizes, st.booleans()), min_size=1, max_size=12), st.integers(1, 150))
def test_interval_and_test_agree_where_few_problems_differ(changed: list[tuple[float, bool]], same: int) -> None:
    d = np.r_[[s if up else -s for s, up in changed], np.zeros(same)]
    p = sign_flip(d).p
    assume(abs(p - 0.05) > 1e-9)
    low, high = signed_mean(d, 1.0)
    assert low <= d.mean() <= high
    assert (low > 0 or high < 0) == (p < 0.05)
    mirrored = signed_mean(-d, 1.0)
    assert (low, high) == pytest.approx((-mirrored[1], -mirrored[0]), abs=1e-12)


def test_equal_sizes_have_clopper_and_pearsons_interval_of_the_sign() -> None:
    low, high = lean_interval(np.r_[np.ones(9), -np.ones(2), np.zeros(50)])
    expected = stats.binomtest(9, 11).proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((2 * expected.low - 1, 2 * expected.high - 1), abs=1e-9)


def test_many_differences_have_the_normal_interval_of_the_mean() -> None:
    d = np.random.default_rng(3).choice([-1.0, 0.0, 0.5], 5000, p=[0.2, 0.3, 0.5])
    low, high = signed_mean(d, 1.0)
    half = 1.96 * d.std() / np.sqrt(5000)
    assert (low, high) == pytest.approx((d.mean() - half, d.mean() + half), rel=0.03)


def test_the_interval_moves_with_the_unit() -> None:
    d = np.r_[np.random.default_rng(4).normal(1, 1, 12), np.zeros(30)]
    narrow, wide = signed_mean(d, 5.0), signed_mean(100 * d, 500.0)
    assert wide == pytest.approx((100 * narrow[0], 100 * narrow[1]))
