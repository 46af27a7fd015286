"""Paired tests: published numbers, exactness, the size of the tests under the hypothesis."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics.paired import holm, paired
from rlpipe.statistics.proportion import mid_p

A, B = [0.75, 0.25, 1, 0, 0.5], [1, 0.5, 1, 0.25, 0.25]


def test_paired_has_the_worked_values() -> None:
    (found,) = paired(A, B)
    difference = np.subtract(B, A)
    assert found.value == pytest.approx(0.1, abs=1e-12)
    assert difference.std(ddof=1) == pytest.approx(0.223607, abs=1e-6)
    assert found.value / found.se == pytest.approx(1.0, abs=1e-6)  # type: ignore[operator]
    assert (found.p, found.test, found.num_problems) == (0.625, "sign-flip, exact", 5)


def test_columns_are_those_found_apart() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((30, 3)), rng.random((30, 3))
    together = paired(a, b, draws=500, flips=1000)
    for i, found in enumerate(together):
        (alone,) = paired(a[:, i], b[:, i], draws=500, flips=1000)
        assert (found.p, found.value) == (alone.p, pytest.approx(alone.value))


def test_no_difference_anywhere_is_no_proof_of_equality() -> None:
    values = np.linspace(0, 1, 40)
    (bounded,) = paired(values, values, bounded=True)
    assert (bounded.high, bounded.p) == (pytest.approx(mid_p(0, 40)[1][0]), 1.0)
    (unbounded,) = paired(values, values)
    assert (unbounded.low, unbounded.high, unbounded.ci_method) == (None, None, "none")


def test_holm_steps_down_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"1\.5"):
        holm([0.1, 1.5])


def test_holm_keeps_the_error_over_a_family() -> None:
    p = np.random.default_rng(4).random((4000, 8))
    errors = np.mean([min(holm(list(row))) < 0.05 for row in p])
    assert errors == pytest.approx(0.05, abs=0.012)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="paired comparison"):
        paired(A, B[:3])
