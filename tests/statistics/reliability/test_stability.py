"""Drops on the way: worked numbers, and a minimum that is not low for noise alone."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.reliability.stability import (
    cross_fitted_drawdown,
    learned_at,
    minimum_after,
    windowed_forgetting,
    windowed_plasticity,
    worst_case_accuracy,
)

A1 = [0.30, 0.60, 0.80, 0.50, 0.70, 0.78, 0.66, 0.72, 0.76]
A2 = [0.10, 0.12, 0.15, 0.40, 0.65, 0.75, 0.45, 0.60, 0.70]
A3 = [0.05, 0.05, 0.06, 0.08, 0.10, 0.12, 0.35, 0.55, 0.68]


def test_the_worked_example() -> None:
    minima = [minimum_after(A1, 2), minimum_after(A2, 5)]
    assert minima == [0.50, 0.45]
    assert worst_case_accuracy(A3[-1], minima) == pytest.approx(0.543333, abs=1e-6)  # type: ignore[arg-type]
    at_five = minimum_after(A1, 2, now=5)
    assert at_five is not None
    assert worst_case_accuracy(A2[5], [at_five]) == pytest.approx(0.625)
    assert [windowed_forgetting(a, 2) for a in (A1, A2, A3)] == pytest.approx([0.3, 0.3, 0.0])
    assert [windowed_plasticity(a, 2) for a in (A1, A2, A3)] == pytest.approx([0.30, 0.25, 0.23])
    assert [windowed_plasticity(a, 3) for a in (A1, A2, A3)] == pytest.approx([0.50, 0.50, 0.43])


def test_without_a_window_it_is_the_drawdown() -> None:
    assert windowed_forgetting([0.9, 0.7, 0.8, 0.2, 0.5]) == pytest.approx(0.7)
    assert windowed_forgetting([0.1, 0.2, 0.3]) == 0.0
    assert minimum_after([0.1, 0.2], 1) is None


def test_a_task_is_learned_where_it_first_comes_near_its_best() -> None:
    assert learned_at([0.1, 0.5, 0.79, 0.6, 0.8]) == 2
    assert learned_at([0.3]) == 0


def test_noise_alone_makes_a_drawdown_and_cross_fitting_does_not() -> None:
    rng = np.random.default_rng(0)
    still = [(rng.random((20, 100)) < 0.7).astype(float) for _ in range(60)]
    assert np.mean([windowed_forgetting(v.mean(axis=1)) for v in still]) > 0.1
    assert np.mean([cross_fitted_drawdown(v) for v in still]) == pytest.approx(0, abs=0.01)


def test_a_true_drop_stays() -> None:
    rng = np.random.default_rng(1)
    accuracy = np.array([0.4, 0.8, 0.5, 0.75])
    found = [cross_fitted_drawdown((rng.random((4, 200)) < accuracy[:, None]).astype(float)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(0.3, abs=0.02)
