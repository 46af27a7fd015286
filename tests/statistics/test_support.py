"""Support: published counts, the floor, and the control by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.support import Support, detection_floor, expected_support, split_half, support


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((480, 15, 2, 3), (0.995851, 0.030303, 0.058816, 0.026157)),
        ((15, 4, 4, 7), (0.789474, 0.210526, 0.332410, 0.0)),
        ((138, 12, 34, 88), (0.802326, 0.080000, 0.145493, -0.119565)),
        ((2388, 48, 175, 793), (0.931721, 0.019704, 0.038593, -0.048640)),
    ],
)
def test_rates_have_the_worked_values(counts: tuple[int, ...], expected: tuple[float, ...]) -> None:
    found = Support(*map(float, counts))
    rates = (found.retention, found.discovery, found.dynamics, found.net_change)
    assert rates == pytest.approx(expected, abs=1e-6)


def test_rates_of_nothing_are_none() -> None:
    nothing = Support(0.0, 0.0, 0.0, 5.0)
    assert (nothing.retention, nothing.discovery, nothing.dynamics, nothing.net_change) == (None, None, None, None)
    assert Support(0.0, 0.0, 3.0, 0.0).dynamics is None
    assert Support(5.0, 0.0, 0.0, 0.0).dynamics == 0.0
    assert Support(0.0, 2.0, 3.0, 0.0).dynamics == 0.0


@pytest.mark.parametrize(
    ("k", "floor"),
    [(32, 0.093617), (256, 0.011702), (1024, 0.002926), (4096, 7.3138e-4), (8192, 3.6569e-4), (16384, 1.8284e-4)],
)
def test_detection_floor_has_the_worked_values(k: int, floor: float) -> None:
    assert detection_floor(k) == pytest.approx(floor, abs=1e-6)


def test_counts_at_one_and_two_hits() -> None:
    base, trained = [3, 1, 0, 1, 0], [2, 0, 1, 2, 0]
    assert support(base, trained) == Support(2.0, 1.0, 1.0, 1.0)
    assert support(base, trained, at_least=2) == Support(1.0, 1.0, 0.0, 3.0)
    with pytest.raises(ValueError, match="problems"):
        support([1], [1, 2])


@pytest.mark.parametrize("at_least", [1, 2])
def test_split_half_is_the_mean_over_splits(at_least: int) -> None:
    hits, n = [2, 1, 7, 12, 1, 3, 0, 1], 12
    x = np.array([[1] * c + [0] * (n - c) for c in hits])
    rng = np.random.default_rng(0)
    splits = []
    for _ in range(6000):
        mixed = rng.permuted(x, axis=1)
        s = support(mixed[:, : n // 2].sum(axis=1), mixed[:, n // 2 :].sum(axis=1), at_least)
        splits.append((s.preserved, s.expanded, s.shrunk, s.out))
    seen = np.array(splits)
    counts, sd = split_half(hits, n, at_least)
    assert (counts.preserved, counts.expanded, counts.shrunk, counts.out) == pytest.approx(seen.mean(axis=0), abs=0.05)
    assert counts.expanded == counts.shrunk
    assert sd == pytest.approx((seen[:, 1] - seen[:, 2]).std(), abs=0.05)


def test_expected_support_of_all_samples_is_the_support() -> None:
    base, trained = [3, 1, 0, 8, 0], [2, 0, 1, 8, 0]
    found, plain = expected_support(base, trained, 8, 8), support(base, trained)
    assert [found.preserved, found.expanded, found.shrunk, found.out] == pytest.approx(
        [plain.preserved, plain.expanded, plain.shrunk, plain.out]
    )
