"""From which k the base policy's pass@k is above the trained policy's, and never below it again.

Source: Yue et al., arXiv:2504.13837. Differs: k* is also given an interval, by resampling problems; curves that only
meet, as all do where every problem is solved, do not cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from rlpipe.statistics.intervals import resamples
from rlpipe.statistics.pass_at_k import pass_at_k

Array = np.ndarray


@dataclass(frozen=True)
class Crossover:
    """`k` is None where the base is nowhere ahead for good; bounds are None for "beyond the largest k".

    `noisy`: k lies above n / 2, where the estimator is all or nothing per problem.
    """

    k: int | None
    low: int | None
    high: int | None
    share_crossing: float  # of the resamples
    noisy: bool
    gap: float  # pass@largest k of the base - pass@1 of the trained policy


def crossover(
    base_correct: ArrayLike,
    correct: ArrayLike,
    n: int,
    ks: Sequence[int] | None = None,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Crossover:
    """k* over `ks` (default: every k up to n), with its bootstrap interval over problems.

    `base_correct`, `correct` `[M]`: correct samples of n, of the same problems.
    """
    grid = list(ks) if ks is not None else list(range(1, n + 1))
    base, trained = pass_at_k(base_correct, n, grid), pass_at_k(correct, n, grid)
    k = first_k(base.mean(axis=0), trained.mean(axis=0), grid)
    ahead = base - trained
    found = [_first(counts @ ahead / len(ahead), grid) for counts in resamples(len(ahead), draws, seed)]
    stars = np.sort(np.concatenate(found))
    tail = (1 - confidence) / 2
    # Nearest order statistics: between a number and "never" there is nothing to interpolate.
    low, high = stars[int(tail * (draws - 1))], stars[int(np.ceil((1 - tail) * (draws - 1)))]
    return Crossover(
        k=k,
        low=int(low) if np.isfinite(low) else None,
        high=int(high) if np.isfinite(high) else None,
        share_crossing=float(np.isfinite(stars).mean()),
        noisy=k is not None and k > n / 2,
        gap=float(base[:, -1].mean() - pass_at_k(correct, n, [1]).mean()),
    )


def first_k(base: Sequence[float] | Array, trained: Sequence[float] | Array, ks: Sequence[int]) -> int | None:
    """The smallest of `ks` at which the base curve is above the trained one and not below it at any larger; else None."""
    k = _first(np.asarray(base)[None] - np.asarray(trained)[None], ks)[0]
    return int(k) if np.isfinite(k) else None


def _first(ahead: Float[Array, "b K"], ks: Sequence[int]) -> Float[Array, "b"]:
    """k* of every row; infinity where there is none."""
    for_good = np.flip(np.logical_and.accumulate(np.flip(ahead >= -1e-12, axis=1), axis=1), axis=1)
    holds = for_good & (ahead > 1e-12)
    grid = np.append(np.asarray(ks, dtype=float), np.inf)
    where = np.where(holds.any(axis=1), holds.argmax(axis=1), len(ks))
    return grid[where]
