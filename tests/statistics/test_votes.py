"""Votes: published numbers, all subsets by brute force, order, abstentions."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.statistics import votes
from rlpipe.statistics.votes import consensus, majority_at_k, weighted_vote

Answers = list[str | None]


def gold_a(answers: Answers) -> list[float]:
    return [float(a == "A") for a in answers]


def brute_force(answers: Answers, correct: list[float], k: int) -> float:
    """The mean over every subset, by the definition."""
    right = {a: x for a, x in zip(answers, correct, strict=True) if a is not None}
    total = []
    for subset in combinations(answers, k):
        counts = Counter(a for a in subset if a is not None)
        winners = [a for a in counts if counts[a] == max(counts.values())]
        total.append(sum(right[a] for a in winners) / len(winners) if winners else 0.0)
    return float(np.mean(total))


def test_majority_has_the_worked_values() -> None:
    answers: Answers = list("AABBCA")
    found = majority_at_k(answers, gold_a(answers), [1, 2, 3, 4, 5, 6])
    assert found == pytest.approx([0.5, 0.5, 0.6, 0.7, 0.75, 1.0], abs=1e-12)


def test_abstentions_do_not_vote() -> None:
    answers: Answers = ["A", None, "B", None, "A", "B"]
    assert majority_at_k(answers, gold_a(answers), [3])[0] == pytest.approx(0.5, abs=1e-12)
    assert consensus([None, None], [0.0, 0.0]) == 0.0


@settings(max_examples=150)
@given(st.lists(st.sampled_from(["A", "B", "C", "D", "E", None]), min_size=1, max_size=10), st.data())
def test_counting_equals_all_subsets(answers: Answers, data: st.DataObject) -> None:
    right = {a: float(data.draw(st.booleans())) for a in set(answers)}
    correct = [0.0 if a is None else right[a] for a in answers]
    ks = list(range(1, len(answers) + 1))
    expected = [brute_force(answers, correct, k) for k in ks]
    assert majority_at_k(answers, correct, ks) == pytest.approx(expected, abs=1e-12)


@given(st.permutations(["A", "A", "B", "B", "C", "A", None]))
def test_order_of_samples_does_not_matter(answers: Answers) -> None:
    found = majority_at_k(answers, gold_a(answers), [2, 4])
    assert found.tolist() == majority_at_k(["A", "A", "B", "B", "C", "A", None], [1, 1, 0, 0, 0, 1, 0], [2, 4]).tolist()


def test_random_subsets_agree_with_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    answers: Answers = rng.choice(["A", "B", "C", "D"], 60, p=[0.4, 0.35, 0.15, 0.1]).tolist()
    exact = majority_at_k(answers, gold_a(answers), [4, 16])
    monkeypatch.setattr(votes, "EXACT_UP_TO", 10)
    sampled = majority_at_k(answers, gold_a(answers), [4, 16])
    assert sampled == pytest.approx(exact, abs=0.04)
    assert sampled.tolist() == majority_at_k(answers, gold_a(answers), [4, 16]).tolist()


def test_many_samples_stay_exact() -> None:
    """n = 256 with two answers: the chance that the better one wins is a hypergeometric sum."""
    from scipy.stats import hypergeom

    answers: Answers = ["A"] * 140 + ["B"] * 116
    k = 33
    expected = hypergeom.sf(16, 256, 140, k)
    assert majority_at_k(answers, gold_a(answers), [k])[0] == pytest.approx(expected, rel=1e-9)


def test_k_beyond_n_is_refused() -> None:
    with pytest.raises(ValueError, match="n = 2"):
        majority_at_k(["A", "B"], [1.0, 0.0], [3])


def test_weighted_vote_sums_scores_and_splits_ties() -> None:
    answers: Answers = ["A", "B", "B", None]
    correct = [1.0, 0.0, 0.0, 0.0]
    assert weighted_vote(answers, correct, [0.9, 0.3, 0.4, 9.0]) == 1.0
    assert weighted_vote(answers, correct, [0.5, 0.3, 0.4, 9.0]) == 0.0
    assert weighted_vote(answers, correct, [0.75, 0.25, 0.5, 9.0]) == 0.5
    assert weighted_vote([None], [0.0], [1.0]) == 0.0
    with pytest.raises(ValueError, match="finite"):
        weighted_vote(answers, correct, [0.5, float("inf"), 0.4, 0.0])
