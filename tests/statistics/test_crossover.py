"""Crossing pass@k curves: the worked example and its edges."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.crossover import crossover, first_k
from rlpipe.statistics.pass_at_k import pass_at_k

BASE, TRAINED, N = [2, 1, 30, 60, 1, 3, 0, 1], [40, 0, 60, 64, 0, 0, 0, 10], 64
POWERS = [1, 2, 4, 8, 16, 32, 64]


def test_curves_have_the_worked_values() -> None:
    base = [0.191406, 0.245846, 0.301900, 0.367711, 0.471918, 0.641865, 0.875000]
    trained = [0.339844, 0.393787, 0.435692, 0.470595, 0.494602, 0.499947, 0.500000]
    assert pass_at_k(BASE, N, POWERS).mean(axis=0) == pytest.approx(base, abs=1e-6)
    assert pass_at_k(TRAINED, N, POWERS).mean(axis=0) == pytest.approx(trained, abs=1e-6)


def test_crossover_has_the_worked_values() -> None:
    found = crossover(BASE, TRAINED, N, draws=500)
    assert (found.k, found.noisy) == (19, False)
    assert found.gap == pytest.approx(0.535156, abs=1e-6)
    powers = crossover(BASE, TRAINED, N, POWERS, draws=500)
    assert powers.k == 32
    assert powers.low in POWERS


def test_interval_holds_the_estimate_and_repeats() -> None:
    found = crossover(BASE, TRAINED, N, draws=500)
    assert found == crossover(BASE, TRAINED, N, draws=500)
    assert found.low is not None
    assert found.low <= 19
    assert found.high is None or found.high >= 19


def test_a_curve_always_ahead_never_crosses() -> None:
    found = crossover([0, 0, 0], [10, 11, 12], 16, draws=200)
    assert (found.k, found.low, found.high, found.share_crossing) == (None, None, None, 0.0)
    assert crossover([10, 11], [1, 2], 16, draws=200).k == 1


def test_a_crossing_that_does_not_last_is_none() -> None:
    assert first_k([0.1, 0.4, 0.5], [0.2, 0.3, 0.6], [1, 2, 4]) is None
    assert first_k([0.1, 0.4, 0.6], [0.2, 0.3, 0.6], [1, 2, 4]) == 2


def test_a_crossing_beyond_half_the_samples_is_called_noisy() -> None:
    base, trained = np.array([1, 1, 1, 1]), np.array([8, 8, 8, 0])
    found = crossover(base, trained, 16, draws=200)
    assert found.k is not None
    assert found.k > 8
    assert found.noisy


def test_curves_that_only_meet_do_not_cross() -> None:
    """Where every problem is solved in the end, the curves tie at k = n; that is no k from which the base is ahead."""
    assert first_k([0.2, 0.6, 1.0], [0.5, 0.8, 1.0], [1, 2, 4]) is None
    assert first_k([0.5, 0.8, 1.0], [0.5, 0.8, 1.0], [1, 2, 4]) is None
    assert first_k([0.2, 0.8, 0.9, 1.0], [0.5, 0.8, 0.85, 1.0], [1, 2, 4, 8]) == 4
    assert first_k([0.2, 0.9, 0.9, 1.0], [0.5, 0.8, 0.95, 0.9], [1, 2, 4, 8]) == 8
