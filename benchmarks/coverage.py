"""How often 95 % intervals hold the truth, on simulated problems whose truth is known.

    python benchmarks/coverage.py                     every table of docs/evaluate.md, about ten minutes on one core
    python benchmarks/coverage.py --datasets 1000     the same, coarser

A problem's success probability is drawn from a mixture of beta distributions, its n samples are coin flips, and the
truth is the mean of pass@k over the mixture: the interval is about problems like these, not about these problems.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import betaln

from rlpipe.statistics.intervals import (
    cluster_se,
    interval,
    percentile_interval,
    resamples,
    studentised_interval,
    t_interval,
)
from rlpipe.statistics.pass_at_k import pass_at_k

Bounds = tuple[np.ndarray, np.ndarray]
CONFIDENCE = 0.95
OFFERED = ("t", "percentile", "**bootstrap_t**")
COLUMNS = 250  # data sets at a time: what one block of resamples needs stays in the cache

# (weight, a, b) of each beta; a = 0 stands for problems that are never solved.
MIXTURES: dict[str, list[tuple[float, float, float]]] = {
    "uniform": [(1, 1, 1)],
    "central, beta(2, 2)": [(1, 2, 2)],
    "all equal, 0.3": [(1, 3e6, 7e6)],
    "U-shaped, beta(.5, .5)": [(1, 0.5, 0.5)],
    "hard, beta(.5, 2)": [(1, 0.5, 2)],
    "hard, beta(.3, 2.7)": [(1, 0.3, 2.7)],
    "very hard, beta(.1, 1.9)": [(1, 0.1, 1.9)],
    "easy, beta(3, .5)": [(1, 3, 0.5)],
    "70 % hard, 30 % easy": [(0.7, 1, 9), (0.3, 9, 1)],
    "90 % very hard, 10 % easy": [(0.9, 1, 30), (0.1, 5, 2)],
    "40 % impossible": [(0.4, 0, 1), (0.6, 2, 2)],
}


def probabilities(mixture: list[tuple[float, float, float]], size: tuple[int, int], rng: Any) -> np.ndarray:
    """Success probabilities `size` of problems drawn from a mixture."""
    which = rng.choice(len(mixture), p=[w for w, _, _ in mixture], size=size)
    out = np.zeros(size)
    for i, (_, a, b) in enumerate(mixture):
        if a > 0:
            out = np.where(which == i, rng.beta(a, b, size), out)
    return out


def truth(mixture: list[tuple[float, float, float]], k: int) -> float:
    """Mean pass@k over the mixture: 1 - E[(1 - p)^k]."""
    return sum(w * (1 - np.exp(betaln(a, b + k) - betaln(a, b))) for w, a, b in mixture if a > 0)


def correct_counts(name: str, problems: int, samples: int, datasets: int, seed: int = 0) -> np.ndarray:
    """Correct samples `[problems, datasets]`."""
    rng = np.random.default_rng([seed, *name.encode()])
    return rng.binomial(samples, probabilities(MIXTURES[name], (problems, datasets), rng))


def values_at(counts: np.ndarray, samples: int, k: int) -> np.ndarray:
    """pass@k of every problem of every data set."""
    return pass_at_k(counts.ravel(), samples, [k])[:, 0].reshape(counts.shape)


def covered(bounds: Bounds, value: float) -> float:
    """Share of data sets whose interval holds the truth."""
    low, high = bounds
    return float(np.mean((low <= value + 1e-12) & (value - 1e-12 <= high)))


# Candidates that were measured and not taken.


def expanded_interval(values: np.ndarray, draws: int, seed: int) -> Bounds:
    """Percentile bootstrap at levels widened for small M (Hesterberg 2015)."""
    m = len(values)
    level = stats.norm.cdf(-np.sqrt(m / (m - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, m - 1))
    return percentile_interval(values, 1 - 2 * float(level), draws, seed)


def bca_interval(values: np.ndarray, draws: int, seed: int) -> Bounds:
    """Bias-corrected and accelerated bootstrap (Efron 1987)."""
    m, mean = len(values), values.mean(axis=0)
    means = np.sort(np.concatenate([c @ values / m for c in resamples(m, draws, seed)]), axis=0)
    below = (means < mean - 1e-12).mean(axis=0) + 0.5 * (np.abs(means - mean) <= 1e-12).mean(axis=0)
    bias = stats.norm.ppf(np.clip(below, 1 / draws, 1 - 1 / draws))
    centred = values - mean
    scale = (centred**2).sum(axis=0) ** 1.5
    skew = np.divide((centred**3).sum(axis=0) / 6, scale, out=np.zeros_like(scale), where=scale > 0)
    bounds = []
    for sign in (-1, 1):
        z = bias + sign * stats.norm.ppf((1 + CONFIDENCE) / 2)
        place = stats.norm.cdf(bias + z / (1 - skew * z)) * (draws - 1)
        bounds.append(means[np.clip(place.round().astype(int), 0, draws - 1), np.arange(len(mean))])
    return bounds[0], bounds[1]


def wilson_cluster_interval(values: np.ndarray) -> Bounds:
    """Wilson's interval with as many trials as give the cluster standard error (Korn and Graubard); t quantile."""
    m, mean = len(values), values.mean(axis=0)
    z = float(stats.t.ppf((1 + CONFIDENCE) / 2, m - 1))
    se = cluster_se(values)
    n = np.divide(mean * (1 - mean), se**2, out=np.full_like(mean, float(m)), where=se > 0)
    n = np.maximum(n, 0.9 * m)
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def default_interval(values: np.ndarray, draws: int, seed: int = 0, bounded: bool = True) -> Bounds:
    """What evaluation reports: studentised, or Wilson's where every problem of a data set has the same 0 or 1."""
    found = interval(values, "bootstrap_t", CONFIDENCE, draws, seed, bounded)
    bounds = [(f.value if f.low is None else f.low, f.value if f.high is None else f.high) for f in found]
    low, high = np.array(bounds).T
    return low, high


def candidates(draws: int, seed: int, bounded: bool = True) -> dict[str, Callable[[np.ndarray], Bounds]]:
    """Every way to an interval, by the name it has in the table; the last is the default."""
    found: dict[str, Callable[[np.ndarray], Bounds]] = {
        "t": t_interval,
        "percentile": lambda v: percentile_interval(v, CONFIDENCE, draws, seed),
        "expanded": lambda v: expanded_interval(v, draws, seed),
        "BCa": lambda v: bca_interval(v, draws, seed),
    }
    if bounded:
        found["Wilson, cluster"] = wilson_cluster_interval
        found["studentised, plain"] = lambda v: studentised_interval(v, CONFIDENCE, draws, seed, bounded=False)
    found["**bootstrap_t**"] = lambda v: default_interval(v, draws, seed, bounded)
    return found


def in_parts(method: Callable[[np.ndarray], Bounds], values: np.ndarray) -> Bounds:
    """The interval of every data set, some hundred at a time."""
    parts = [method(values[:, i : i + COLUMNS]) for i in range(0, values.shape[1], COLUMNS)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def table(rows: Iterator[tuple[str, float, np.ndarray, bool]], draws: int, every: bool = False) -> None:
    """A line per case: coverage in per cent / mean width, of every candidate or of those that settings offer."""
    header = None
    for label, value, values, bounded in rows:
        methods = {name: f for name, f in candidates(draws, 0, bounded).items() if every or name in OFFERED}
        found = {name: in_parts(f, values) for name, f in methods.items()}
        if header is None:
            header = list(found)
            print("| case | truth | " + " | ".join(header) + " |")
            print("|---|---|" + "---|" * len(header))
        if bounded:
            found = {name: (np.clip(low, 0, 1), np.clip(high, 0, 1)) for name, (low, high) in found.items()}
        cells = [f"{100 * covered(b, value):.1f} / {np.mean(b[1] - b[0]):.3f}" for b in found.values()]
        print(f"| {label} | {value:.3f} | " + " | ".join(cells) + " |", flush=True)


def pass_cases(
    problems: int, samples: int, datasets: int, ks: tuple[int, ...], names: list[str] | None = None
) -> Iterator[tuple[str, float, np.ndarray, bool]]:
    for name in names or list(MIXTURES):
        counts = correct_counts(name, problems, samples, datasets)
        for k in ks:
            label = name if ks == (1,) else f"{name}; k = {k}"
            yield label, truth(MIXTURES[name], k), values_at(counts, samples, k), True


def other_cases(problems: int, samples: int, datasets: int) -> Iterator[tuple[str, float, np.ndarray, bool]]:
    """Paired differences of pass@1 (the second policy solves p^0.7), and unbounded metrics such as length."""
    rng = np.random.default_rng(1)
    for name in ("uniform", "hard, beta(.3, 2.7)", "very hard, beta(.1, 1.9)"):
        p = probabilities(MIXTURES[name], (problems, datasets), rng)
        difference = (rng.binomial(samples, p**0.7) - rng.binomial(samples, p)) / samples
        (_, a, b), *_ = MIXTURES[name]
        gain = np.exp(betaln(a + 0.7, b) - betaln(a, b)) - a / (a + b)
        yield f"paired difference, {name}", float(gain), difference, False
    yield "normal", 0.0, rng.normal(0, 1, (problems, datasets)), False
    yield "exponential", 1.0, rng.exponential(1, (problems, datasets)), False
    yield "log-normal, sigma .5", float(np.exp(0.125)), rng.lognormal(0, 0.5, (problems, datasets)), False
    yield "log-normal, sigma 1", float(np.exp(0.5)), rng.lognormal(0, 1, (problems, datasets)), False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--datasets", type=int, default=5000, help="simulated data sets per case")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap resamples per interval")
    a = parser.parse_args()
    error = 100 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / a.datasets)
    print(
        f"95 % intervals: coverage in per cent (standard error {error:.2f}) / mean width; {a.datasets} data sets a line"
    )
    print("\npass@1, 30 problems x 16 samples\n")
    table(pass_cases(30, 16, a.datasets, (1,)), a.draws, every=True)
    print("\npass@k, 30 problems x 16 samples\n")
    table(pass_cases(30, 16, a.datasets, (4, 8, 16)), a.draws)
    print("\nunbounded values, 30 problems\n")
    table(other_cases(30, 16, a.datasets), a.draws)
    few = ["uniform", "hard, beta(.3, 2.7)", "very hard, beta(.1, 1.9)", "70 % hard, 30 % easy"]
    for problems in (10, 100, 300):
        print(f"\npass@1, {problems} problems x 16 samples\n")
        table(pass_cases(problems, 16, max(a.datasets // 4, 1), (1,), few), a.draws)


if __name__ == "__main__":
    main()
