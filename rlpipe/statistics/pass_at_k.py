"""pass@k and its relatives, from how many of n samples are correct: one value per problem.

**M** problems, **n** samples of each, **K** values of k; correctness `x [M, n]` is 0 or 1 and `c [M] = x.sum(1)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

Array = np.ndarray


def pass_at_k(c: ArrayLike, n: ArrayLike, ks: Sequence[int]) -> Float[Array, "M K"]:
    """Chance that at least one of k samples is correct: 1 - C(n-c, k) / C(n, k), per problem.

    `c` `[M]` correct of `n` (one number, or `[M]`). Computed as 1 - prod_{i=n-c+1..n} (1 - k/i), which is exact to
    rounding for any n.

    Raises: ValueError for k < 1, k > n, or c outside 0..n.
    Source: Chen et al. 2021, arXiv:2107.03374, section 2.1. Differs: none.
    """
    return 1.0 - _none_of(c, n, ks)


def pass_hat_k(c: ArrayLike, n: ArrayLike, ks: Sequence[int]) -> Float[Array, "M K"]:
    """Chance that all of k samples are correct: C(c, k) / C(n, k), per problem.

    Raises: ValueError as `pass_at_k`.
    Source: tau-bench, arXiv:2406.12045, pass^k. Differs: none.
    """
    return _none_of(np.asarray(n) - np.asarray(c), n, ks)


def best_of_n(correct: ArrayLike, score: ArrayLike, sizes: Sequence[int]) -> Float[Array, "K"]:
    """Chance that the best-scored of N samples of one problem is correct, without bias, from n >= N samples.

    Sorted by score, the tie block i..j (0-based) holds the best with probability [C(j+1, N) - C(i, N)] / C(n, N) and
    contributes its mean correctness, so ties are split and the order of samples does not matter.

    Raises: ValueError for N > n, lengths that differ, or a score that is not a number.
    """
    x, s = np.asarray(correct, dtype=float), np.asarray(score, dtype=float)
    if x.shape != s.shape or x.ndim != 1:
        raise ValueError(f"best-of-N: {x.shape} answers but {s.shape} scores")
    if np.isnan(s).any():
        raise ValueError(f"best-of-N: the score of sample {int(np.isnan(s).argmax())} is not a number")
    order = np.argsort(s, kind="stable")
    x, s = x[order], s[order]
    starts = np.flatnonzero(np.r_[True, s[1:] != s[:-1]])
    ends = np.r_[starts[1:], len(s)]
    block_mean = np.add.reduceat(x, starts) / (ends - starts)
    # C(j, N) / C(n, N): all N samples among the j worst.
    below = pass_hat_k(np.r_[starts, len(s)], len(s), sizes)
    return block_mean @ np.diff(below, axis=0)


def _none_of(c: ArrayLike, n: ArrayLike, ks: Sequence[int]) -> Float[Array, "M K"]:
    """C(n - c, k) / C(n, k): chance that k samples hold none of c, per problem."""
    counts: Int[Array, "M"] = np.atleast_1d(np.asarray(c)).astype(int)
    sizes: Int[Array, "M"] = np.broadcast_to(np.asarray(n).astype(int), counts.shape)
    if (counts < 0).any() or (counts > sizes).any():
        row = int(((counts < 0) | (counts > sizes)).argmax())
        raise ValueError(f"problem {row}: {counts[row]} of {sizes[row]} samples; the count must lie between 0 and n")
    out = np.empty((len(counts), len(ks)))
    for size in np.unique(sizes):
        rows = sizes == size
        for column, k in enumerate(ks):
            if not 1 <= k <= size:
                raise ValueError(f"k = {k} needs 1 <= k <= n, but n = {size}; draw more samples or drop this k")
            table = np.concatenate([[1.0], np.cumprod(1.0 - k / np.arange(size, 0, -1.0))])
            table[size - k + 1 :] = 0.0
            out[rows, column] = table[counts[rows]]
    return out
