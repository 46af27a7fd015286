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

Array = np.ndarray
Method = Literal["bootstrap_t", "bootstrap_problem", "t"]
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
    values: ArrayLike, confidence: float = 0.95, draws: int = 10_000, seed: int = 0, bounded: bool = True
) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """Studentised bootstrap over problems; for values in [0, 1] on the scale g = arcsin(sqrt(mean)).

    Of each resample t* = (g(mean*) - g(mean)) / (g'(mean*) se*); the bounds are g(mean) - t*-quantile x g'(mean) se,
    mapped back. The variance behind se* has a floor of one problem's worth of the sample's own,
    (M s*^2 + s^2) / (M + 1), so that a resample of equal values does not send a bound to infinity.

    Source: Efron & Tibshirani 1993, chapter 12 (bootstrap-t, with a variance-stabilising scale). Differs: the floor.
    """
    v = _columns(values)
    m, mean, variance = len(v), v.mean(axis=0), v.var(axis=0)
    scale = _arcsine(m) if bounded else _identity_scale()
    t = np.empty((draws, v.shape[1]))
    row = 0
    for counts in resamples(m, draws, seed):
        means = counts @ v / m
        # Centred first: squares of deviations, not a difference of large squares.
        spread = np.maximum(counts @ (v - mean) ** 2 / m - (means - mean) ** 2, 0.0)
        se = np.sqrt((m * spread + variance) / (m + 1) / (m - 1)) * scale.slope(means)
        difference = scale.to(means) - scale.to(mean)
        part = t[row : row + len(counts)]
        np.divide(difference, se, out=part, where=se > 0)
        part[np.broadcast_to(se <= 0, part.shape)] = 0.0
        row += len(counts)
    upper, lower = np.quantile(t, [(1 + confidence) / 2, (1 - confidence) / 2], axis=0)
    se = np.sqrt(variance / (m - 1)) * scale.slope(mean)
    return scale.back(scale.to(mean) - upper * se), scale.back(scale.to(mean) - lower * se)


def interval(
    values: ArrayLike,
    method: Method = "bootstrap_t",
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    bounded: bool = True,
) -> list[Interval]:
    """An interval for the mean of every column of `values` `[M, C]`.

    `bounded`: the values lie in [0, 1]. Equal values show no spread to resample, though there may be some: all
    problems at 0, or all at 1, of a bounded metric have Wilson's interval with M trials; other equal values, or one
    problem, have none.

    Raises: ValueError for a value that is not finite, or bounded values outside [0, 1].
    """
    v = _columns(values)
    if not np.isfinite(v).all():
        raise ValueError(f"problem {int((~np.isfinite(v)).any(axis=1).argmax())} has no value; leave it out first")
    if bounded and (v.min() < -1e-9 or v.max() > 1 + 1e-9):
        raise ValueError(f"values from {v.min():g} to {v.max():g}, but the metric lies in [0, 1]")
    mean = v.mean(axis=0)
    if len(v) < 2:
        return [Interval(float(x), None, None, None, "none") for x in mean]
    if method == "t":
        low, high = t_interval(v, confidence)
    elif method == "bootstrap_problem":
        low, high = percentile_interval(v, confidence, draws, seed)
    else:
        low, high = studentised_interval(v, confidence, draws, seed, bounded)
    found, errors = [], cluster_se(v)
    for i, x in enumerate(mean):
        if np.ptp(v[:, i]) < 1e-12 and bounded and (x < 1e-9 or x > 1 - 1e-9):
            bounds = wilson(len(v) if x > 0.5 else 0, len(v), confidence)
            found.append(Interval(float(x), 0.0, *bounds, "wilson"))
        elif np.ptp(v[:, i]) < 1e-12:
            found.append(Interval(float(x), 0.0, None, None, "none"))
        else:
            used = 0 if method == "t" else draws
            found.append(Interval(float(x), float(errors[i]), float(low[i]), float(high[i]), method, used))
    return found


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, for one sample per problem.

    Raises: ValueError unless 0 <= successes <= n and n >= 1.
    """
    _check_trials(successes, n)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share, room = successes / n, z * z / n
    centre = (share + room / 2) / (1 + room)
    half = z / (1 + room) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def resamples(m: int, draws: int, seed: int) -> Iterator[Float[Array, "b M"]]:
    """How often each of `m` problems is drawn in each of `draws` resamples, in blocks of at most 1,000.

    The draws are those of one call `integers(0, m, (draws, m))`, whatever the block.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, draws, BLOCK):
        rows = min(BLOCK, draws - start)
        index = rng.integers(0, m, (rows, m)) + m * np.arange(rows)[:, None]
        yield np.bincount(index.ravel(), minlength=rows * m).reshape(rows, m).astype(float)


@dataclass(frozen=True)
class _Scale:
    """A monotone map `to`, its derivative `slope`, its inverse `back`; `pad` keeps the derivative finite at 0 and 1."""

    pad: float | None

    def _inside(self, m: Array) -> Array:
        assert self.pad is not None
        return (m + self.pad) / (1 + 2 * self.pad)

    def to(self, m: Array) -> Array:
        return m if self.pad is None else np.arcsin(np.sqrt(np.clip(self._inside(m), 0, 1)))

    def slope(self, m: Array) -> Array:
        if self.pad is None:
            return np.ones_like(m)
        inside = self._inside(m)
        return 0.5 / np.sqrt(inside * (1 - inside)) / (1 + 2 * self.pad)

    def back(self, g: Array) -> Array:
        if self.pad is None:
            return g
        inside = np.sin(np.clip(g, 0, np.pi / 2)) ** 2
        return np.clip(inside * (1 + 2 * self.pad) - self.pad, 0, 1)


def _arcsine(m: int) -> _Scale:
    return _Scale(0.25 / m)


def _identity_scale() -> _Scale:
    return _Scale(None)


def _columns(values: ArrayLike) -> Float[Array, "M C"]:
    v = np.asarray(values, dtype=float)
    v = v[:, None] if v.ndim == 1 else v
    if v.ndim != 2 or not len(v):
        raise ValueError(f"values of shape {v.shape}: one row per problem is needed, and at least one problem")
    return v


def _check_trials(successes: float, n: int) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: needs n >= 1 and 0 <= successes <= n")
