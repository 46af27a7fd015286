"""The promise of an interval: 95 % of them hold the truth, at 30 problems x 16 samples, on problems of any difficulty."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import MIXTURES, correct_counts, covered, default_interval, in_parts, truth, values_at
from rlpipe.statistics.intervals import percentile_interval

PROBLEMS, SAMPLES, DATASETS, DRAWS = 30, 16, 2000, 1000
# Two standard errors of a share of 0.95 over the simulated data sets.
SLACK = 2 * np.sqrt(0.95 * 0.05 / DATASETS)


def coverage_of(name: str, k: int, method: str) -> float:
    values = values_at(correct_counts(name, PROBLEMS, SAMPLES, DATASETS), SAMPLES, k)
    if method == "bootstrap_t":
        bounds = in_parts(lambda v: default_interval(v, DRAWS), values)
    else:
        bounds = in_parts(lambda v: percentile_interval(v, 0.95, DRAWS, 0), values)
    return covered(bounds, truth(MIXTURES[name], k))


@pytest.mark.parametrize("name", MIXTURES)
def test_the_default_interval_covers_pass_at_1(name: str) -> None:
    assert 0.93 - SLACK <= coverage_of(name, 1, "bootstrap_t") <= 0.97 + SLACK


def test_the_plain_percentile_bootstrap_would_fail() -> None:
    """Why the default is another: the same bounds reject it."""
    assert coverage_of("very hard, beta(.1, 1.9)", 1, "percentile") < 0.93 - SLACK


@pytest.mark.parametrize("name", ["uniform", "U-shaped, beta(.5, .5)", "hard, beta(.5, 2)", "40 % impossible"])
def test_the_default_interval_covers_pass_at_4(name: str) -> None:
    assert 0.93 - SLACK <= coverage_of(name, 4, "bootstrap_t") <= 0.97 + SLACK
