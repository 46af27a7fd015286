"""Means of values in [0, 1] as proportions: the mid-P binomial interval, with as many trials as the values are worth.

A bootstrap of a mean near 0 or 1 rests on the one to three problems that deviate, and its quantiles are an artefact of
them. A binomial interval knows what so few can say; it only has to be told how many trials the problems stand for.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special, stats

Array = np.ndarray
PRIOR = 3.0  # deviating problems for which the spread of a coin counts as much as the spread that was seen
HALVINGS = 60


def mid_p(
    successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95
) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """Mid-P interval of a proportion: values at which neither tail, the observed count counted half, is below its share.

    `successes`, `trials`: numbers or `[C]`, fractions allowed.

    Raises: ValueError unless trials > 0 and 0 <= successes <= trials.
    Source: Lancaster 1961; Berry & Armitage 1995. Differs: fractions, through the incomplete beta function.
    """
    x, n = (np.atleast_1d(np.asarray(v, dtype=float)) for v in np.broadcast_arrays(successes, trials))
    if not ((n > 0) & (x >= 0) & (x <= n)).all():
        raise ValueError(f"{successes!s} successes of {trials!s}: needs trials > 0 and 0 <= successes <= trials")
    tail = (1 - confidence) / 2
    return 1 - _upper(n - x, n, tail), _upper(x, n, tail)


def proportion(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """`mid_p` of one proportion, as two numbers."""
    low, high = mid_p(successes, trials, confidence)
    return float(low[0]), float(high[0])


def _upper(x: Float[Array, "C"], n: Float[Array, "C"], tail: float) -> Float[Array, "C"]:
    """p at which P(X < x) + P(X = x) / 2 is `tail`, by halving."""
    low, high = x / n, np.ones_like(x)
    for _ in range(HALVINGS):
        p = (low + high) / 2
        at_most = special.betainc(np.where(x < n, n - x, 1.0), x + 1, 1 - p)
        below = np.where(x > 0, special.betainc(n - x + 1, np.where(x > 0, x, 1.0), 1 - p), 0.0)
        enough = (at_most + below) / 2 < tail
        low, high = np.where(enough, low, p), np.where(enough, p, high)
    return np.where(x < n, high, 1.0)


def trials_worth(values: Float[Array, "M C"], confidence: float = 0.95) -> Float[Array, "C"]:
    """How many coin flips say as much about the mean as these values in [0, 1], at least M: m (1 - m) / variance of it.

    With e problems deviating (`deviating`), the variance is (e^2 s^2 + 3^2 m (1 - m)) / (e^2 + 3^2), m (1 - m) being
    a coin's: few of them say little about those that were not met. What the values are worth beyond M is scaled
    down as t quantiles exceed normal ones, for their spread is estimated.
    """
    m, mean = len(values), values.mean(axis=0)
    coin, seen = mean * (1 - mean), values.var(axis=0)
    e = deviating(values)
    variance = np.minimum((e**2 * seen + PRIOR**2 * coin) / (e**2 + PRIOR**2), coin)
    worth = np.divide(coin * m, variance, out=np.full_like(mean, float(m)), where=variance > 0)
    tail = (1 + confidence) / 2
    known = (stats.norm.ppf(tail) / stats.t.ppf(tail, m - 1)) ** 2 * (m - 1) / m
    return m + (worth - m) * known


def deviating(values: Float[Array, "M C"]) -> Float[Array, "C"]:
    """Effective number (Kish) of problems that are not at the end, 0 or 1, where most of the values lie."""

    def kish(x: Array) -> Array:
        squares = (x**2).sum(axis=0)
        return np.divide(x.sum(axis=0) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)

    return np.minimum(kish(values), kish(1 - values))


def mid_p_mean(values: Float[Array, "M C"], confidence: float = 0.95) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """Mid-P interval of the mean of values in [0, 1], one per problem, at least two of them."""
    trials = trials_worth(values, confidence)
    return mid_p(np.clip(values.mean(axis=0), 0, 1) * trials, trials, confidence)
