"""Intervals of a mean over problems, which are what was drawn at random: never over single samples.

**M** problems, **C** columns (metrics, or simulated data sets), **B** resamples. `values [M, C]` holds one number per
problem: its share of correct samples, its pass@k, its mean length. `docs/evaluate.md` has the measured coverage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from scipy import stats

from rlpipe.statistics.proportion import mid_p_mean

Array = np.ndarray
Method = Literal["mid_p", "bootstrap_t", "bootstrap_problem", "t"]
BLOCK = 1000  # resamples held as counts at a time


@dataclass(frozen=True)
class Interval:
    """A mean over problems, its cluster standard error, and bounds; None where one problem says nothing of spread."""

    value: float
    se: float | None
    low: float | None
    high: float | None
    method: str
    draws: int = 0
    covers: str = "prompts"  # what was drawn at random: other prompts, or other seeds too


def cluster_se(values: ArrayLike) -> Float[Array, "C"]:
    """sd(values, ddof 1) / sqrt(M): of problems and of sampling together."""
    v = _columns(values)
    return v.std(axis=0, ddof=1) / np.sqrt(len(v))


def sampling_se(x: Shaped[Array, "M n"]) -> float:
    """Of the mean over these same problems, had only the samples been drawn again: sqrt(sum_i var(x_i) / n) / M."""
    x = np.asarray(x, dtype=float)
    return float(np.sqrt((x.var(axis=1, ddof=1) / x.shape[1]).sum()) / len(x))


def t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """Mean -/+ t quantile (M - 1 degrees of freedom) x cluster standard error."""
    v = _columns(values)
    half = stats.t.ppf((1 + confidence) / 2, len(v) - 1) * cluster_se(v)
    return v.mean(axis=0) - half, v.mean(axis=0) + half


def percentile_interval(
    values: ArrayLike, confidence: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """Percentile bootstrap over problems: `default_rng(seed).integers(0, M, (draws, M))`, linear percentiles."""
    v = _columns(values)
    means = np.concatenate([counts @ v / len(v) for counts in resamples(len(v), draws, seed)])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def studentised_interval(
    values: ArrayLike, confidence: float = 0.95, draws: int = 10_000, seed: int = 0
) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """Studentised bootstrap over problems: of each resample t* = (mean* - mean) / se*; bounds are mean - t*-quantile x se.

    The variance behind se* has a floor of one problem's worth of the sample's own, (M s*^2 + s^2) / (M + 1), so that a
    resample of equal values does not send a bound to infinity.

    Source: Efron & Tibshirani 1993, chapter 12 (bootstrap-t). Differs: the floor.
    """
    v = _columns(values)
    m, mean, variance = len(v), v.mean(axis=0), v.var(axis=0)
    t = np.empty((draws, v.shape[1]))
    row = 0
    for counts in resamples(m, draws, seed):
        means = counts @ v / m
        # Centred first: squares of deviations, not a difference of large squares.
        spread = np.maximum(counts @ (v - mean) ** 2 / m - (means - mean) ** 2, 0.0)
        se = np.sqrt((m * spread + variance) / (m + 1) / (m - 1))
        part = t[row : row + len(counts)]
        np.divide(means - mean, se, out=part, where=se > 0)
        part[np.broadcast_to(se <= 0, part.shape)] = 0.0
        row += len(counts)
    upper, lower = np.quantile(t, [(1 + confidence) / 2, (1 - confidence) / 2], axis=0)
    se = np.sqrt(variance / (m - 1))
    return mean - upper * se, mean - lower * se


def interval(
    values: ArrayLike,
    method: Method = "mid_p",
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    bounded: bool = True,
) -> list[Interval]:
    """An interval for the mean of every column of `values` `[M, C]`.

    `bounded`: the values lie in [0, 1]. `mid_p` is for those; of others it is `bootstrap_t`. Equal values show no spread:
    at 0 or 1 of a bounded metric they have the mid-P interval of M trials whatever the method; other equal values that
    are not bounded, or one problem, have none.

    Raises: ValueError for a value that is not finite, or bounded values outside [0, 1].
    """
    v = _columns(values)
    if not np.isfinite(v).all():
        raise ValueError(f"problem {int((~np.isfinite(v)).any(axis=1).argmax())} has no value; leave it out first")
    if bounded and (v.min() < -1e-9 or v.max() > 1 + 1e-9):
        raise ValueError(f"values from {v.min():g} to {v.max():g}, but the metric lies in [0, 1]")
    if len(v) < 2:
        return [Interval(float(x), None, None, None, "none") for x in v[0]]
    ways = [_way(column, method, bounded) for column in v.T]
    found: list[Interval] = [Interval(float(x), 0.0, None, None, "none") for x in v.mean(axis=0)]
    errors = cluster_se(v)
    for way in sorted(set(ways) - {"none"}):
        chosen = [i for i, w in enumerate(ways) if w == way]
        low, high = _bounds(v[:, chosen], way, confidence, draws, seed)
        used = draws if way.startswith("bootstrap") else 0
        for i, a, b in zip(chosen, low, high, strict=True):
            found[i] = Interval(found[i].value, float(errors[i]), float(a), float(b), way, used)
    return found


def _way(column: Float[Array, "M"], method: Method, bounded: bool) -> str:
    """How a column's interval is made."""
    if np.ptp(column) < 1e-12:
        at_an_end = column[0] < 1e-9 or column[0] > 1 - 1e-9
        return "mid_p" if bounded and (at_an_end or method == "mid_p") else "none"
    return "bootstrap_t" if method == "mid_p" and not bounded else method


def _bounds(v: Float[Array, "M C"], way: str, confidence: float, draws: int, seed: int) -> tuple[Array, Array]:
    if way == "mid_p":
        return mid_p_mean(np.clip(v, 0, 1), confidence)
    if way == "t":
        return t_interval(v, confidence)
    if way == "bootstrap_problem":
        return percentile_interval(v, confidence, draws, seed)
    return studentised_interval(v, confidence, draws, seed)


def resamples(m: int, draws: int, seed: int) -> Iterator[Float[Array, "b M"]]:
    """How often each of `m` problems is drawn in each of `draws` resamples, in blocks of at most 1,000.

    The draws are those of one call `integers(0, m, (draws, m))`, whatever the block.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, draws, BLOCK):
        rows = min(BLOCK, draws - start)
        index = rng.integers(0, m, (rows, m)) + m * np.arange(rows)[:, None]
        yield np.bincount(index.ravel(), minlength=rows * m).reshape(rows, m).astype(float)


def _columns(values: ArrayLike) -> Float[Array, "M C"]:
    v = np.asarray(values, dtype=float)
    v = v[:, None] if v.ndim == 1 else v
    if v.ndim != 2 or not len(v):
        raise ValueError(f"values of shape {v.shape}: one row per problem is needed, and at least one problem")
    return v
