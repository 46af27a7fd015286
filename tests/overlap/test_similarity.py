"""The worked example of the decontamination specification, and the numbers of its MinHash tables."""

from __future__ import annotations

import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.overlap.normalize import tokens, words
from rlpipe.overlap.similarity import coverage, grams, jaccard, lcs_ratio, positions, runs

T1 = "Janet has 3 apples and buys 5 more apples at the store! How many apples does she have now??"
E1 = "Janet has 3 apples and buys 5 more apples at the store. How many apples does she have now?"
T2, E2 = "Compute 17+25.", "What is 17 + 25?"
T3 = "Find the number of positive integers less than 1000 that are divisible by 11 but not by 5."
E3 = T3.replace("11", "7")
PAIRS = {"T1-E1": (T1, E1), "T2-E2": (T2, E2), "T3-E3": (T3, E3)}


def hits(train: str, evaluation: str, n: int) -> int:
    return len(set(grams(words(train), n)) & set(grams(words(evaluation), n)))


def covered(train: str, evaluation: str, n: int = 8) -> float:
    return coverage(runs(words(train), positions(words(evaluation), n), n), len(words(evaluation)))


def shingled(train: str, evaluation: str, n: int) -> float | None:
    return jaccard(frozenset(grams(words(train), n)), frozenset(grams(words(evaluation), n)))


@pytest.mark.parametrize(("pair", "eight", "thirteen"), [("T1-E1", 12, 7), ("T2-E2", 0, 0), ("T3-E3", 6, 1)])
def test_ngram_hits(pair: str, eight: int, thirteen: int) -> None:
    assert hits(*PAIRS[pair], 8) == eight
    assert hits(*PAIRS[pair], 13) == thirteen


@pytest.mark.parametrize(("pair", "share"), [("T1-E1", 1.0), ("T2-E2", 0.0), ("T3-E3", 0.722222)])
def test_coverage(pair: str, share: float) -> None:
    assert covered(*PAIRS[pair]) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("n", "t1", "t3"), [(5, 1.0, 0.473684), (3, 1.0, 0.684211)])
def test_jaccard(n: int, t1: float, t3: float) -> None:
    assert shingled(T1, E1, n) == t1
    assert shingled(T3, E3, n) == pytest.approx(t3, abs=1e-6)
    assert shingled(T2, E2, 3) == 0.0


def test_jaccard_of_two_empty_sets_is_unknown() -> None:
    assert shingled("one two", "three", 3) is None


@pytest.mark.parametrize(("pair", "ratio"), [("T1-E1", 1.0), ("T2-E2", 0.666667), ("T3-E3", 0.944444)])
def test_longest_common_subsequence(pair: str, ratio: float) -> None:
    train, evaluation = PAIRS[pair]
    assert lcs_ratio(words(train), words(evaluation)) == pytest.approx(ratio, abs=1e-6)


def test_longest_common_subsequence_of_formulas_is_over_all_symbols() -> None:
    assert lcs_ratio(tokens(T2), tokens(E2)) == pytest.approx(0.6)


def test_all_other_pairs_share_nothing() -> None:
    for i, (train, _) in enumerate(PAIRS.values()):
        for j, (_, evaluation) in enumerate(PAIRS.values()):
            assert i == j or hits(train, evaluation, 8) == 0


@pytest.mark.parametrize(
    ("threshold", "num_perm", "weights", "bands", "at_threshold"),
    [
        (0.5, 128, (0.5, 0.5), (25, 5), 0.547839),
        (0.7, 256, (0.5, 0.5), (25, 10), 0.511470),
        (0.5, 128, (0.1, 0.9), (32, 4), 0.873211),
        (0.5, 256, (0.1, 0.9), (42, 4), 0.933504),
        (0.7, 128, (0.1, 0.9), (20, 6), 0.918186),
    ],
)
def test_bands_of_the_minhash_index(
    threshold: float, num_perm: int, weights: tuple[float, float], bands: tuple[int, int], at_threshold: float
) -> None:
    index = MinHashLSH(threshold=threshold, num_perm=num_perm, weights=weights)
    assert (index.b, index.r) == bands
    assert 1 - (1 - threshold**index.r) ** index.b == pytest.approx(at_threshold, abs=1e-6)


def test_minhash_estimate_of_the_worked_example() -> None:
    def signature(text: str) -> MinHash:
        minhash = MinHash(num_perm=128, seed=1)
        minhash.update_batch([" ".join(gram).encode() for gram in grams(words(text), 3)])
        return minhash

    assert signature(T3).jaccard(signature(E3)) == pytest.approx(0.632813, abs=1e-6)


LETTERS = st.lists(st.sampled_from("ab"), max_size=14)


@given(LETTERS, LETTERS, st.integers(1, 4))
def test_runs_are_the_maximal_common_stretches(train: list[str], evaluation: list[str], n: int) -> None:
    found = runs(train, positions(evaluation, n), n)
    expected = set()
    for i in range(len(train)):
        for j in range(len(evaluation)):
            if i and j and train[i - 1] == evaluation[j - 1]:
                continue
            length = 0
            while (
                i + length < len(train) and j + length < len(evaluation) and train[i + length] == evaluation[j + length]
            ):
                length += 1
            if length >= n:
                expected.add((i, j, length))
    assert {(run.train, run.evaluation, run.words) for run in found} == expected
    assert len(found) == len(expected)


@given(LETTERS, LETTERS)
def test_lcs_agrees_with_the_recursion(a: list[str], b: list[str]) -> None:
    def longest(i: int, j: int, memory: dict[tuple[int, int], int]) -> int:
        if i == len(a) or j == len(b):
            return 0
        if (i, j) not in memory:
            same = 1 + longest(i + 1, j + 1, memory) if a[i] == b[j] else 0
            memory[i, j] = max(same, longest(i + 1, j, memory), longest(i, j + 1, memory))
        return memory[i, j]

    expected = longest(0, 0, {}) / min(len(a), len(b)) if a and b else 0.0
    assert lcs_ratio(a, b) == pytest.approx(expected)
