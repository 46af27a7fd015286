"""Votes over canonical answers: majority@k with split ties and abstentions, consensus, and the weighted vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache
from math import comb, fsum

import numpy as np
from jaxtyping import Float

Array = np.ndarray
EXACT_UP_TO = 256
SUBSETS = 2000


def majority_at_k(
    answers: Sequence[Hashable | None], correct: Sequence[float], ks: Sequence[int], seed: int = 0
) -> Float[Array, "K"]:
    """Chance that the plurality of k of the n answers of one problem is correct, over all C(n, k) subsets.

    Abstentions (None) do not vote; tied answers share the win; no vote at all is wrong. `correct` is the score of each
    answer. Exact up to n = 256, by counting; above, the mean over 2,000 random subsets.

    Raises: ValueError for k > n or lengths that differ.
    Differs: the definition enumerates up to 10,000 subsets and samples beyond; counting gives the exact value for all.
    """
    n = len(answers)
    if len(correct) != n:
        raise ValueError(f"majority@k: {n} answers but {len(correct)} scores")
    if not all(1 <= k <= n for k in ks):
        raise ValueError(f"majority@k: k = {list(ks)} needs 1 <= k <= n, but n = {n}")
    counts = Counter(a for a in answers if a is not None)
    credit = _credit(answers, correct)
    if n > EXACT_UP_TO:
        return _sampled(answers, credit, ks, seed)
    shape = tuple(sorted(counts.values()))
    # Answers given equally often win equally often.
    by_count: dict[int, float] = {}
    for answer in sorted(counts, key=repr):
        by_count[counts[answer]] = by_count.get(counts[answer], 0.0) + credit[answer]
    total = np.zeros(len(ks))
    for count, sum_of_credit in sorted(by_count.items()):
        if sum_of_credit > 0:
            total += sum_of_credit * np.asarray(_win(count, shape, n, tuple(ks)))
    return total


def consensus(answers: Sequence[Hashable | None], correct: Sequence[float]) -> float:
    """majority@n: the vote of all samples of one problem."""
    return float(majority_at_k(answers, correct, [len(answers)])[0])


def weighted_vote(answers: Sequence[Hashable | None], correct: Sequence[float], score: Sequence[float]) -> float:
    """Score of the answer whose samples' scores sum highest, ties split; 0 if nobody votes.

    Raises: ValueError for lengths that differ or a score that is not finite.
    """
    if not len(answers) == len(correct) == len(score):
        raise ValueError(f"weighted vote: {len(answers)} answers, {len(correct)} verdicts, {len(score)} scores")
    if not np.isfinite(np.asarray(score, dtype=float)).all():
        raise ValueError("weighted vote: a score is not finite")
    credit = _credit(answers, correct)
    votes: dict[Hashable, list[float]] = {}
    for answer, s in zip(answers, score, strict=True):
        if answer is not None:
            votes.setdefault(answer, []).append(s)
    # fsum: the same sum in whatever order the samples come.
    sums = {answer: fsum(values) for answer, values in votes.items()}
    winners = [a for a in sums if sums[a] == max(sums.values())]
    return fsum(credit[a] for a in winners) / len(winners) if winners else 0.0


def split_vote(answers: Sequence[Hashable | None], correct: Sequence[float]) -> tuple[float, float] | None:
    """Share and score of the majority answer: the answer chosen on every other sample, its share taken on the rest.

    A share taken on the samples that chose the answer is too high. No answer (None) votes for itself and is wrong; of
    tied answers the one given first is chosen. None for fewer than two samples.
    """
    choosing, counting = answers[::2], answers[1::2]
    if not counting:
        return None
    counts = Counter(choosing)
    chosen = max(counts, key=lambda answer: counts[answer])  # the first of equals: a Counter keeps the order it met
    share = sum(answer == chosen for answer in counting) / len(counting)
    return share, 0.0 if chosen is None else _credit(answers, correct)[chosen]


def _credit(answers: Sequence[Hashable | None], correct: Sequence[float]) -> dict[Hashable, float]:
    """Score of each distinct answer; the mean where its samples were scored differently."""
    scores: dict[Hashable, list[float]] = {}
    for answer, x in zip(answers, correct, strict=True):
        if answer is not None:
            scores.setdefault(answer, []).append(float(x))
    return {answer: fsum(values) / len(values) for answer, values in scores.items()}


@lru_cache(maxsize=65_536)
def _win(count: int, shape: tuple[int, ...], n: int, ks: tuple[int, ...]) -> tuple[float, ...]:
    """Chance that an answer given `count` times wins, a tie among t + 1 counting 1 / (t + 1), for each k.

    With j of its votes in the subset, t others at j and the rest below, the number of subsets is the coefficient of
    x^(k-j) y^t in a product over the answers; the weight 1 / (t + 1) is the integral of y^t over [0, 1], done exactly
    by Gauss-Legendre quadrature. All terms are positive, so nothing cancels.
    """
    others = list(shape)
    others.remove(count)
    largest = max(ks)
    ways = [0.0] * len(ks)
    for j in range(1, min(count, largest) + 1):
        degree = largest - j
        rivals = Counter(c for c in others if c >= j)
        below = n - count - sum(c * m for c, m in rivals.items())  # abstentions, and answers that cannot reach j
        ties = min(sum(rivals.values()), degree // j)
        nodes, weights = _quadrature(ties // 2 + 1)
        product = np.zeros(degree + 1)
        product[: below + 1] = [float(comb(below, i)) for i in range(min(below, degree) + 1)]
        rows = np.tile(product, (len(nodes), 1))
        for c, multiplicity in rivals.items():
            factor = np.zeros((len(nodes), degree + 1))
            for i in range(min(j, degree + 1)):
                factor[:, i] = float(comb(c, i))
            if j <= degree:
                factor[:, j] = comb(c, j) * nodes
            rows = _times(rows, _power(factor, multiplicity))
        mixed = weights @ rows
        for column, k in enumerate(ks):
            if k >= j:
                ways[column] += comb(count, j) * float(mixed[k - j])
    return tuple(w / comb(n, k) for w, k in zip(ways, ks, strict=True))


@lru_cache(maxsize=256)
def _quadrature(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [0, 1], exact up to degree 2 * nodes - 1."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


def _times(a: Float[Array, "Q D"], b: Float[Array, "Q D"]) -> Float[Array, "Q D"]:
    """Row-wise product of polynomials, cut at the degree."""
    out = np.zeros_like(a)
    for i in np.flatnonzero(b.any(axis=0)):
        out[:, i:] += b[:, i : i + 1] * a[:, : a.shape[1] - i]
    return out


def _power(a: Float[Array, "Q D"], exponent: int) -> Float[Array, "Q D"]:
    result: Array | None = None
    while exponent:
        if exponent & 1:
            result = a if result is None else _times(result, a)
        exponent >>= 1
        a = _times(a, a) if exponent else a
    assert result is not None
    return result


def _sampled(
    answers: Sequence[Hashable | None], credit: dict[Hashable, float], ks: Sequence[int], seed: int
) -> Float[Array, "K"]:
    """The mean over random subsets without replacement."""
    rng = np.random.default_rng(seed)
    index = {a: i for i, a in enumerate(credit)}
    votes = np.array([-1 if a is None else index[a] for a in answers])
    value = np.array(list(credit.values()) or [0.0])
    out = np.zeros(len(ks))
    for column, k in enumerate(ks):
        subsets = rng.permuted(np.tile(votes, (SUBSETS, 1)), axis=1)[:, :k]
        for subset in subsets:
            counts = np.bincount(subset[subset >= 0], minlength=len(value))
            if counts.max() > 0:
                out[column] += value[counts == counts.max()].mean()
    return out / SUBSETS
