"""The collapse alarm: the worked example of its specification, causality, false alarms and power."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import kendalltau

from rlpipe.statistics.reliability import early_warning as ew

X = np.array([1, 0.98, 1.01, 0.97, 0.99, 0.95, 0.97, 0.92, 0.95, 0.88, 0.92, 0.83])


def noise(phi: float, steps: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal(steps + 50)
    return np.asarray(lfilter([1.0], [1.0, -phi], drawn))[50:]


def slowing_down(steps: int, seed: int, first: float = 0.2, last: float = 0.98) -> np.ndarray:
    drawn, x = np.random.default_rng(seed).standard_normal(steps), np.zeros(steps)
    for t, phi in enumerate(np.linspace(first, last, steps - 1), start=1):
        x[t] = phi * x[t - 1] + drawn[t]
    return x


def test_worked_example_without_detrending() -> None:
    variance = [0.000467, 0.000417, 0.000977, 0.000577, 0.001507, 0.001017, 0.002537]
    assert ew.rolling_variance(X, 6) == pytest.approx(variance, abs=5e-7)
    assert [float(tau) for tau in ew.trends(X, 6)] == pytest.approx([0.142857, 0.714286], abs=1e-6)


def test_worked_example_detrended() -> None:
    e = ew.detrended(X)
    assert [float(tau) for tau in ew.trends(e, 6)] == pytest.approx([-0.523810, 1.0], abs=1e-6)
    assert ew.rolling_ac1(e, 6)[0] == pytest.approx(np.corrcoef(e[:5], e[1:6])[0, 1], abs=1e-9)


def test_running_sums_are_the_plain_definitions() -> None:
    e = noise(0.5, 90, 0)
    starts = range(90 - 22 + 1)
    assert ew.rolling_variance(e, 22) == pytest.approx([e[i : i + 22].var(ddof=1) for i in starts])
    plain = [np.corrcoef(e[i : i + 21], e[i + 1 : i + 22])[0, 1] for i in starts]
    assert ew.rolling_ac1(e, 22) == pytest.approx(plain)


def test_tau_is_kendalls_and_thinning_hardly_changes_it() -> None:
    e = slowing_down(400, 3)
    variance = ew.rolling_variance(e, 100)
    assert float(ew.trend(variance)) == pytest.approx(kendalltau(np.arange(len(variance)), variance)[0])
    assert float(ew.trends(e, 100)[1]) == pytest.approx(float(ew.trend(variance)), abs=0.03)


def test_looks_are_every_20_steps_from_80_on_and_at_most_10() -> None:
    assert ew.looks_of(79) == []
    assert ew.looks_of(100) == [80, 100]
    assert ew.looks_of(200) == [80, 100, 120, 140, 160, 180, 200]
    assert ew.looks_of(300) == [80, 120, 160, 200, 240, 280]
    for steps in (260, 261, 1000, 5000):
        assert 3 <= len(ew.looks_of(steps)) <= ew.MOST_LOOKS
        least = 1 / (ew.SURROGATES + 1)
        assert ew.Look(steps, 1.0, 1.0, least, least).rings(len(ew.looks_of(steps)))


def test_a_look_sees_what_came_before_it_alone() -> None:
    x = slowing_down(200, 1)
    changed = np.concatenate([x[:140], 50 * noise(0.9, 60, 2)])
    early = [n for n in ew.watch(x).rang if n <= 140]
    assert early == [n for n in ew.watch(changed).rang if n <= 140]
    assert ew.look(x[:120]) == ew.look(np.array(x[:120]))
    spiky = np.array(x)
    spiky[150:] += 1000
    assert all(n > 150 for n in ew.watch(spiky).spikes)


def test_scale_and_level_do_not_matter() -> None:
    x = slowing_down(200, 4)
    one, other = ew.look(x), ew.look(3e-4 * x + 7)
    assert one is not None
    assert other is not None
    assert (one.p_ac1, one.p_variance) == (other.p_ac1, other.p_variance)


def test_a_falling_level_alone_is_no_sign() -> None:
    falling = np.linspace(1.0, 0.1, 200)
    rang = [bool(ew.watch(falling + 0.05 * noise(0.3, 200, seed)).rang) for seed in range(30)]
    assert sum(rang) <= 3


@pytest.mark.parametrize("phi", [0.0, 0.7])
def test_false_alarms_on_noise_are_rare_and_as_often_as_said(phi: float) -> None:
    runs = [ew.watch(noise(phi, 160, seed)) for seed in range(200)]
    rate = np.mean([bool(run.rang) for run in runs])
    said = np.mean([run.chance for run in runs])
    assert rate <= 0.05
    assert said <= 0.05
    assert rate == pytest.approx(said, abs=0.04)


def test_a_series_that_slows_down_is_found_more_often_than_its_reverse() -> None:
    found = [bool(ew.watch(slowing_down(200, seed)).rang) for seed in range(60)]
    reverse = [bool(ew.watch(slowing_down(200, seed)[::-1]).rang) for seed in range(60)]
    assert sum(found) >= 8  # the error shared by 7 looks, and both indicators: the power is small
    assert sum(reverse) <= 1


def test_power_of_one_look_is_that_of_the_specification() -> None:
    seen = [ew.look(slowing_down(200, seed, 0.3, 0.95)) for seed in range(60)]
    power = np.mean([(s.p_ac1 <= 0.05, s.p_variance <= 0.05) for s in seen if s], axis=0)
    assert power == pytest.approx([0.70, 0.50], abs=0.2)


def test_both_indicators_have_to_rise() -> None:
    grown = noise(0.3, 200, 5) * np.linspace(0.3, 3.0, 200)  # only the size of the noise grows
    seen = ew.look(grown)
    assert seen is not None
    assert seen.p_variance <= 0.01 < seen.p_ac1
    assert not seen.rings(1)
    both = ew.Look(200, 0.9, 0.9, 0.005, 0.005)
    assert both.rings(10)
    assert not both.rings(11)


def test_short_and_constant_series_are_not_looked_at() -> None:
    short = ew.watch(noise(0.3, 79, 0))
    assert (short.looks, short.rang) == (0, [])
    assert ew.watch(noise(0.3, 50, 0)).spikes_looked is False
    constant = ew.watch(np.ones(120))
    assert (constant.looks, constant.rang, constant.spikes) == (0, [], [])
    stuck = noise(0.3, 120, 0)
    stuck[60:] = stuck[60]
    assert ew.watch(stuck).looks < 3


def test_the_series_begins_anew_where_something_else_is_trained() -> None:
    x = noise(0.3, 200, 6)
    assert ew.watch(x, [100]).looks == 4
    assert ew.watch(x, [150]).looks == 4  # of the second stretch's 50 steps none
    jump = np.concatenate([x[:100], 20 + x[100:]])
    assert ew.watch(jump).spikes[:1] == [102]
    assert ew.watch(jump, [100]).spikes == ew.watch(x, [100]).spikes


def test_the_precursor_rule_needs_two_values_in_five_steps() -> None:
    x = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 16)  # median 0, median absolute deviation 1: above 6
    for second, expected in ((64, [65]), (65, [])):
        one = np.array(x)
        one[[60, second]] = 6.1
        assert [int(i) + 1 for i in np.flatnonzero(ew.spikes(one))] == expected
    below = np.array(x)
    below[[60, 61]] = 5.9
    assert not ew.spikes(below).any()
    early = np.array(x)
    early[[48, 49]] = 100.0
    assert not ew.spikes(early).any()  # 50 steps must lie before it


def test_equal_series_give_equal_alarms() -> None:
    x = slowing_down(160, 8)
    first = ew.watch(x)
    ew._chance.cache_clear()
    ew.surrogates.cache_clear()
    ew._false_alarms.cache_clear()
    assert ew.watch(x) == first
