"""Several independent passes over the same benchmarks: what one pass may show, how well the mean is known, and noise.

Quality of a pass is the mean score over its items, cost the **sum** over them; **R** passes of a benchmark. A system's
results are a mapping from benchmark to `[R]` numbers.

Source: ReasonBENCH, arXiv:2512.07795. Differs: run deviation is the exact mean over passes, where the release averages
a 1,000-draw bootstrap of it and its table scales it by 100 twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

Array = np.ndarray
System = Mapping[str, ArrayLike]


@dataclass(frozen=True)
class MultiRun:
    """One system over its benchmarks; both intervals, which answer different questions."""

    mean: float
    one_pass: tuple[float, float]  # where the result of one more pass would lie
    mean_interval: tuple[float, float]  # where the mean of very many passes lies
    se_of_mean: float
    run_deviation: float
    p5_quality: float
    p95_cost: float | None
    num_passes: int  # of the benchmark with fewest


def summary(
    quality: System, cost: System | None = None, confidence: float = 0.95, draws: int = 1000, seed: int = 42
) -> MultiRun:
    """All of the protocol for one system.

    Raises: ValueError for no benchmark, or a benchmark with fewer than two passes.
    """
    scores = _arrays(quality)
    tails = [np.percentile(c, 95) for c in _arrays(cost).values()] if cost is not None else None
    low, high, se = interval_of_mean(quality, confidence)
    return MultiRun(
        mean=macro_mean(quality),
        one_pass=one_pass_interval(quality, confidence, draws, seed),
        mean_interval=(low, high),
        se_of_mean=se,
        run_deviation=run_deviation(quality),
        p5_quality=float(np.mean([np.percentile(q, 5) for q in scores.values()])),
        p95_cost=None if tails is None else float(np.mean(tails)),
        num_passes=min(map(len, scores.values())),
    )


def macro_mean(quality: System) -> float:
    """Mean over benchmarks of the mean over passes."""
    return float(np.mean([q.mean() for q in _arrays(quality).values()]))


def one_pass_interval(
    quality: System, confidence: float = 0.95, draws: int = 1000, seed: int = 42
) -> tuple[float, float]:
    """Percentiles of the average over benchmarks when **one** pass of each is picked: the result of one more pass.

    About sqrt(R) wider than the interval of the mean. Every combination is taken where there are at most `draws`.
    """
    scores = list(_arrays(quality).values())
    if prod(map(len, scores)) <= draws:
        averages = np.array([np.mean(picked) for picked in product(*scores)])
    else:
        rng = np.random.default_rng(seed)
        averages = np.mean([q[rng.integers(0, len(q), draws)] for q in scores], axis=0)
    low, high = np.quantile(averages, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def interval_of_mean(
    quality: System, confidence: float = 0.95, small_sample: bool = False
) -> tuple[float, float, float]:
    """Bounds of the mean over passes, and its standard error: sqrt(sum_b var_b / R_b) / number of benchmarks.

    Quality lies in [0, 1], and so do the bounds.

    Normal quantiles as in the protocol; `small_sample` takes t quantiles with Satterthwaite's degrees of freedom, as
    one should below some ten passes.
    """
    scores = _arrays(quality)
    parts = np.array([q.var(ddof=1) / len(q) for q in scores.values()])
    se = float(np.sqrt(parts.sum()) / len(scores))
    tail = (1 + confidence) / 2
    width = float(stats.norm.ppf(tail))
    if small_sample and parts.sum() > 0:
        freedom = parts.sum() ** 2 / (parts**2 / np.array([len(q) - 1 for q in scores.values()])).sum()
        width = float(stats.t.ppf(tail, freedom))
    mean = macro_mean(quality)
    return max(0.0, mean - width * se), min(1.0, mean + width * se), se


def run_deviation(quality: System) -> float:
    """Mean over benchmarks of the mean over passes of |Q - mean Q| / (mean Q + 1e-7); a share, not per cent."""
    return float(np.mean([np.mean(np.abs(q - q.mean())) / (q.mean() + 1e-7) for q in _arrays(quality).values()]))


def noise(systems: Mapping[str, System]) -> dict[str, tuple[float, float]]:
    """(global noise, run noise) of every system, in squared z units; both depend on which systems are in it.

    z-scores are taken within a benchmark over all systems and passes. Global: variance of all z of a system. Run: mean
    over benchmarks of the variance over passes.

    Raises: ValueError unless every system has the same benchmarks.
    """
    arrays = {name: _arrays(system) for name, system in systems.items()}
    benchmarks = sorted(next(iter(arrays.values())))
    for name, system in arrays.items():
        if sorted(system) != benchmarks:
            raise ValueError(f"system {name} has benchmarks {sorted(system)}, another has {benchmarks}")
    z: dict[str, list[Float[Array, "R"]]] = {name: [] for name in arrays}
    for b in benchmarks:
        pooled = np.concatenate([system[b] for system in arrays.values()])
        centre, sd = pooled.mean(), pooled.std(ddof=1)
        for name, system in arrays.items():
            z[name].append((system[b] - centre) / sd if sd > 0 else np.zeros(len(system[b])))
    return {
        name: (float(np.concatenate(parts).var(ddof=1)), float(np.mean([p.var(ddof=1) for p in parts])))
        for name, parts in z.items()
    }


def _arrays(system: System) -> dict[str, Float[Array, "R"]]:
    arrays = {name: np.asarray(values, dtype=float) for name, values in system.items()}
    if not arrays:
        raise ValueError("no benchmark: several passes over at least one are needed")
    for name, values in arrays.items():
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(f"benchmark {name}: {values.size} passes, at least two are needed for their spread")
    return arrays
