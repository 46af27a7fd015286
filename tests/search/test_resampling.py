from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from rlpipe.search import resampling

near = partial(pytest.approx, abs=1e-6)
R = [0.9, 0.6, 0.55, 0.2]
W = resampling.logit(R)
P = resampling.softmax(W)
TEMPERED = resampling.softmax(W, 1.775007)


def test_worked_weights():
    assert W.tolist() == near([2.197225, 0.405465, 0.200671, -1.386294])
    assert P.tolist() == near([0.751740, 0.125290, 0.102088, 0.020882])
    assert (4 * P).tolist() == near([3.006961, 0.501160, 0.408353, 0.083527])
    assert (np.array(R) / sum(R)).tolist() == near([0.4, 0.266667, 0.244444, 0.088889])


def test_worked_evenness():
    assert resampling.effective_sample_size(P) == near(1.690135)
    assert resampling.effective_sample_size(10 * P) == near(1.690135)
    assert resampling.normalised_entropy(P) == near(0.568789)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_equal_weights_are_even(n):
    assert resampling.effective_sample_size(np.ones(n)) == near(n)
    assert resampling.normalised_entropy(np.ones(n)) == near(1)


def test_worked_indices():
    assert resampling.systematic(P, 4, 0.3).tolist() == [0, 0, 0, 1]
    assert resampling.systematic(TEMPERED, 4, 0.3).tolist() == [0, 0, 1, 2]
    assert resampling.systematic(P, 8, 0.5).tolist() == [0, 0, 0, 0, 0, 0, 1, 2]
    assert resampling.residual(P, 4, 0.3).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("scheme", ["multinomial", "systematic", "residual", "stratified"])
def test_counts_are_unbiased(scheme):
    rng, draws = np.random.default_rng(0), 3000
    counts = sum(np.bincount(resampling.resample(P, 4, scheme, rng), minlength=4) for _ in range(draws))
    # Five standard errors of the noisiest scheme.
    assert np.abs(counts / draws - 4 * P).max() < 5 * np.sqrt(4 * 0.25 / draws)


@pytest.mark.parametrize("scheme", ["systematic", "residual"])
def test_counts_are_floor_or_ceil(scheme):
    rng = np.random.default_rng(1)
    for _ in range(50):
        counts = np.bincount(resampling.resample(P, 4, scheme, rng), minlength=4)
        floor = np.floor(4 * P)
        # Residual rounds only the remainder, here one draw.
        assert ((counts == floor) | (counts == floor + 1)).all()


def test_multinomial_varies_more_than_systematic():
    rng = np.random.default_rng(2)
    p = resampling.softmax(rng.standard_normal(8))
    heaviest = int(p.argmax())

    def variance(scheme):
        return np.var([(resampling.resample(p, 8, scheme, rng) == heaviest).sum() for _ in range(1500)])

    share = float(8 * p[heaviest] % 1)
    assert variance("systematic") == pytest.approx(share * (1 - share), abs=0.05)
    assert variance("multinomial") == pytest.approx(8 * p[heaviest] * (1 - p[heaviest]), rel=0.2)


def test_rounding_never_points_past_the_last_or_at_a_dead_particle():
    p = np.array([0.1] * 10 + [0.0])
    below_one = np.nextafter(1.0, 0.0)
    assert resampling.multinomial(p, [below_one]).tolist() == [9]
    assert resampling.systematic(p, 3, below_one).max() == 9


def test_scores_at_the_ends_are_clipped():
    assert resampling.logit([0.0, 1.0]).tolist() == near([-16.118096, 16.118096])


@pytest.mark.parametrize(
    "call",
    [
        lambda: resampling.softmax([0.0, float("nan")]),
        lambda: resampling.softmax([0.0], 0.0),
        lambda: resampling.systematic([0.0, 0.0], 2, 0.1),
        lambda: resampling.resample([1.0], 1, "best", np.random.default_rng(0)),
        lambda: resampling.resample([1.0], 0, "residual", np.random.default_rng(0)),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"softmax|resampl"):
        call()
