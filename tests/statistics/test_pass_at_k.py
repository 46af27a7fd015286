"""pass@k, pass^k, best-of-N: published numbers, the closed form, and brute force."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.statistics.pass_at_k import best_of_n, pass_at_k, pass_hat_k


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [(10, 3, 1, 0.3), (10, 3, 5, 0.916667), (10, 3, 8, 1.0), (16, 1, 8, 0.5), (200, 7, 100, 0.992991)],
)
def test_pass_at_k_has_the_worked_values(n: int, c: int, k: int, expected: float) -> None:
    assert pass_at_k([c], n, [k])[0, 0] == pytest.approx(expected, abs=1e-6)


def test_mean_over_problems_has_the_worked_values() -> None:
    found = pass_at_k([3, 0, 10, 7, 1], 10, [1, 2, 5, 10]).mean(axis=0)
    assert found == pytest.approx([0.42, 0.533333, 0.683333, 0.8], abs=1e-6)


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 300))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@given(cases())
def test_product_form_equals_the_closed_form(case: tuple[int, int, int]) -> None:
    n, c, k = case
    closed = 1.0 if n - c < k else 1.0 - comb(n - c, k) / comb(n, k)
    assert pass_at_k([c], n, [k])[0, 0] == pytest.approx(closed, abs=1e-12)
    assert pass_hat_k([c], n, [k])[0, 0] == pytest.approx(comb(c, k) / comb(n, k), abs=1e-12)


def test_problems_may_have_different_numbers_of_samples() -> None:
    together = pass_at_k([3, 1], [10, 16], [1, 8])
    assert together[0].tolist() == pass_at_k([3], 10, [1, 8])[0].tolist()
    assert together[1].tolist() == pass_at_k([1], 16, [1, 8])[0].tolist()


def test_pass_at_k_is_without_bias() -> None:
    rng = np.random.default_rng(0)
    p, n, k = 0.2, 10, 5
    c = rng.binomial(n, p, 40_000)
    truth = 1 - (1 - p) ** k
    assert pass_at_k(c, n, [k]).mean() == pytest.approx(truth, abs=0.006)


def test_pass_hat_k_has_the_worked_values() -> None:
    assert pass_hat_k([3], 10, [2])[0, 0] == pytest.approx(0.066667, abs=1e-6)


@pytest.mark.parametrize(("c", "n", "k"), [(3, 10, 11), (3, 10, 0), (11, 10, 1), (-1, 10, 1)])
def test_impossible_counts_are_refused(c: int, n: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"k = |problem 0"):
        pass_at_k([c], n, [k])


def test_best_of_n_has_the_worked_values() -> None:
    correct, score = [1, 0, 1, 0, 0, 1], [0.9, 0.95, 0.2, 0.4, 0.4, 0.4]
    found = best_of_n(correct, score, [1, 2, 3, 4, 6])
    assert found == pytest.approx([0.5, 0.4, 0.366667, 0.288889, 0.0], abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=7), st.data())
def test_best_of_n_equals_all_subsets(samples: list[tuple[bool, int]], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(samples)))
    wins = []
    for subset in combinations(samples, size):
        top = max(score for _, score in subset)
        tied = [correct for correct, score in subset if score == top]
        wins.append(sum(tied) / len(tied))
    found = best_of_n([float(x) for x, _ in samples], [float(s) for _, s in samples], [size])
    assert found[0] == pytest.approx(np.mean(wins), abs=1e-12)


def test_best_of_n_refuses_what_is_no_score() -> None:
    with pytest.raises(ValueError, match="sample 1"):
        best_of_n([1.0, 0.0], [0.1, float("nan")], [1])
    with pytest.raises(ValueError, match="scores"):
        best_of_n([1.0, 0.0], [0.1], [1])
