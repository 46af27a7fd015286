"""R = -a exp(H) + b: the worked fit, the forecast, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.entropy_law import Law, NoFit, block_means, entropy_law, fit, forecast

H = [1.2, 0.8, 0.5, 0.3, 0.15, 0.05]
R = [0.154586, 0.278935, 0.354153, 0.389017, 0.407580, 0.424847]


def test_fit_has_the_worked_values() -> None:
    law = fit(H, R)
    assert isinstance(law, Law)
    assert (law.a, law.b, law.ceiling) == pytest.approx((0.119112, 0.548408, 0.429296), abs=1e-6)
    assert (law.r2, law.rmse) == pytest.approx((0.999291, 0.002486), abs=1e-6)


def test_forecast_from_the_first_steps_has_the_worked_values() -> None:
    found = forecast(H, R)
    assert found is not None
    assert found.num_fitted == 3
    # The example's rewards are rounded to six digits, which moves b by 1e-6.
    assert (found.a, found.b) == pytest.approx((0.118642, 0.547077), abs=2e-6)
    assert found.last_predicted == pytest.approx(0.422352, abs=1e-6)
    assert found.last_actual == 0.424847


def test_intervals_hold_the_truth_of_a_simulated_run() -> None:
    rng = np.random.default_rng(0)
    h = np.exp(-np.linspace(0, 3, 60)) * 1.2
    held = 0
    for seed in range(60):
        r = -0.12 * np.exp(h) + 0.55 + rng.normal(0, 0.01, 60)
        law = entropy_law(h, r, draws=300, seed=seed)
        assert isinstance(law, Law)
        assert law.a_interval is not None
        held += law.a_interval[0] <= 0.12 <= law.a_interval[1]
    assert held >= 51


def test_alternatives_fit_a_short_range_as_well() -> None:
    h = np.linspace(0.34, 0.13, 20)
    law = entropy_law(h, -0.3 * np.exp(h) + 0.8, draws=100)
    assert isinstance(law, Law)
    assert law.alternatives is not None
    assert law.alternatives["linear in H"] > 0.995
    assert law.predict([0.0])[0] == pytest.approx(law.ceiling)


@pytest.mark.parametrize(
    ("entropy", "reward", "reason"),
    [
        ([1.0, 1.0, 0.5], [0.1, 0.2, 0.3], "2 distinct"),
        ([1.0, 0.8, 0.5], [0.3, 0.2, 0.1], "not positive"),
        ([1.0, float("nan"), 0.5], [0.3, 0.2, 0.1], "not a number"),
        ([], [], "0 distinct"),
    ],
)
def test_what_is_no_law_is_refused_with_its_reason(entropy: list[float], reward: list[float], reason: str) -> None:
    found = fit(entropy, reward)
    assert isinstance(found, NoFit)
    assert reason in found.reason


def test_a_method_that_acts_on_entropy_is_refused() -> None:
    found = entropy_law(H, R, intervention="clip_cov")
    assert isinstance(found, NoFit)
    assert "clip_cov" in found.reason


def test_lengths_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match="entropy law"):
        fit(H, R[:3])


def test_block_means_are_disjoint() -> None:
    assert block_means(np.arange(7.0), 3).tolist() == [1.0, 4.0]
