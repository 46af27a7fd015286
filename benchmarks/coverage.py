"""How often 95 % intervals hold the truth, on simulated problems whose truth is known.

    python -m benchmarks.coverage                     every table of docs/evaluate.md, about five minutes on one core
    python -m benchmarks.coverage --datasets 500      the same, coarser

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

from rlpipe.statistics.intervals import cluster_se, interval, percentile_interval, studentised_interval, t_interval
from rlpipe.statistics.paired import paired
from rlpipe.statistics.pass_at_k import pass_at_k
from rlpipe.statistics.proportion import mid_p, mid_p_mean, trials_worth
from rlpipe.statistics.seeds import covering_seeds

Bounds = tuple[np.ndarray, np.ndarray]
Way = Callable[[np.ndarray], Bounds]
CONFIDENCE, SAMPLES = 0.95, 16
SIZES = (20, 30, 60, 122, 500)
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
    "99 % solved": [(0.99, 1e6, 1), (0.01, 1, 3)],
    "97 % nearly solved, 3 % hard": [(0.97, 50, 1), (0.03, 0.3, 2)],
    "98 % impossible": [(0.98, 0, 1), (0.02, 2, 2)],
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


def wilson_cluster(values: np.ndarray) -> Bounds:
    """Wilson's interval with as many trials as give the cluster standard error (Korn and Graubard); t quantile."""
    m, mean = len(values), values.mean(axis=0)
    z = float(stats.t.ppf((1 + CONFIDENCE) / 2, m - 1))
    se = cluster_se(values)
    n = np.maximum(np.divide(mean * (1 - mean), se**2, out=np.full_like(mean, float(m)), where=se > 0), 0.9 * m)
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def exact(successes: np.ndarray, trials: np.ndarray) -> Bounds:
    """Clopper and Pearson's interval."""
    tail, failures = (1 - CONFIDENCE) / 2, trials - successes
    low = np.where(successes > 0, stats.beta.ppf(tail, np.maximum(successes, 1e-9), failures + 1), 0.0)
    return low, np.where(failures > 0, stats.beta.ppf(1 - tail, successes + 1, np.maximum(failures, 1e-9)), 1.0)


def exact_mean(values: np.ndarray) -> Bounds:
    """Clopper and Pearson's with the trials that mid-P takes."""
    trials = trials_worth(values, CONFIDENCE)
    return exact(values.mean(axis=0) * trials, trials)


def ways(draws: int) -> dict[str, Way]:
    """Every way to an interval that was compared, by its name in the table; the last is the default."""
    return {
        "t": t_interval,
        "percentile": lambda v: percentile_interval(v, CONFIDENCE, draws, 0),
        "bootstrap_t": lambda v: studentised_interval(v, CONFIDENCE, draws, 0),
        "Wilson, cluster": wilson_cluster,
        "exact, same trials": exact_mean,
        "**mid_p**": mid_p_mean,
    }


def in_parts(way: Way, values: np.ndarray) -> Bounds:
    """The interval of every data set, some hundred at a time."""
    parts = [way(values[:, i : i + COLUMNS]) for i in range(0, values.shape[1], COLUMNS)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def cell(bounds: Bounds, value: float) -> str:
    """Coverage in per cent / mean width."""
    return f"{100 * covered(bounds, value):.1f} / {np.mean(bounds[1] - bounds[0]):.3f}"


def header(*names: str) -> None:
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))


def misses() -> None:
    """Bounds of 0 to 4 missed problems, and how much wider mid-P ever is than the exact interval."""
    header("missed", "of 122: exact", "mid_p", "of 500: exact", "mid_p")
    for missed in range(5):
        cells = []
        for m in (122, 500):
            for low, high in (exact(np.array([m - missed]), np.array([m])), mid_p(m - missed, m)):
                cells.append(f"[{low[0]:.3f}, {high[0]:.3f}]")
        print(f"| {missed} | " + " | ".join(cells) + " |")
    ratios = []
    for m in SIZES:
        hits = np.arange(m + 1)
        wide, narrow = exact(hits, np.full(m + 1, m)), mid_p(hits, m)
        ratios.append((narrow[1] - narrow[0]) / (wide[1] - wide[0]))
    print(f"\nwidth of mid_p over that of the exact interval: at most {max(r.max() for r in ratios):.3f}")


def compared(datasets: int, draws: int, ks: tuple[int, ...], problems: int) -> None:
    """Every way on every mixture."""
    found = ways(draws)
    header("difficulty", "truth", *found)
    for name in MIXTURES:
        counts = correct_counts(name, problems, SAMPLES, datasets)
        for k in ks:
            values, value = values_at(counts, SAMPLES, k), truth(MIXTURES[name], k)
            cells = []
            for way in found.values():
                low, high = in_parts(way, values)
                cells.append(cell((np.clip(low, 0, 1), np.clip(high, 0, 1)), value))
            print(f"| {name} | {value:.4f} | " + " | ".join(cells) + " |", flush=True)


def by_size(datasets: int) -> None:
    """The default from 20 to 500 problems, at k = 1, n / 2 and n."""
    header("difficulty; k", "truth", *map(str, SIZES))
    for name in MIXTURES:
        counts = {m: correct_counts(name, m, SAMPLES, datasets) for m in SIZES}
        for k in (1, SAMPLES // 2, SAMPLES):
            value = truth(MIXTURES[name], k)
            cells = [cell(in_parts(mid_p_mean, values_at(counts[m], SAMPLES, k)), value) for m in SIZES]
            print(f"| {name}; {k} | {value:.4f} | " + " | ".join(cells) + " |", flush=True)


def difference_cases(problems: int, datasets: int) -> Iterator[tuple[str, float, np.ndarray]]:
    """Paired differences: of pass@1 and pass@n where the second policy solves p^0.7, and of problems that rarely change."""
    rng = np.random.default_rng(1)
    for name in ("uniform", "hard, beta(.3, 2.7)", "very hard, beta(.1, 1.9)"):
        p = probabilities(MIXTURES[name], (problems, datasets), rng)
        (_, a, b), *_ = MIXTURES[name]
        gain = np.exp(betaln(a + 0.7, b) - betaln(a, b)) - a / (a + b)
        before, after = rng.binomial(SAMPLES, p), rng.binomial(SAMPLES, p**0.7)
        yield f"pass@1, {name}", float(gain), (after - before) / SAMPLES
        many = probabilities(MIXTURES[name], (400_000, 1), rng)
        gain = np.mean((1 - many) ** SAMPLES - (1 - many**0.7) ** SAMPLES)
        yield f"pass@{SAMPLES}, {name}", float(gain), (after > 0) * 1.0 - (before > 0)
    u = rng.random((problems, datasets))
    rare = (u < 0.03) * 1.0 - ((u >= 0.03) & (u < 0.04))
    yield "3 % gained, 1 % lost", 0.02, rare
    yield "the same, by 1/4 to 3/4", 0.01, rare * rng.choice([0.25, 0.5, 0.75], rare.shape)


def differences(datasets: int, draws: int) -> None:
    def default(values: np.ndarray) -> Bounds:
        found = paired(np.zeros_like(values), values, "mid_p", CONFIDENCE, draws, flips=1000, bounded=True)
        return np.array([f.low for f in found]), np.array([f.high for f in found])

    sizes = (20, 30, 60, 122)
    header("difference", "truth", *(f"{m}: {way}" for m in sizes for way in ("bootstrap_t", "**signs**")))
    cases = [list(difference_cases(m, datasets)) for m in sizes]
    for same in zip(*cases, strict=True):
        cells = []
        for _, value, d in same:
            cells += [cell(studentised_interval(d, CONFIDENCE, draws), value), cell(default(d), value)]
        print(f"| {same[0][0]} | {same[0][1]:.4f} | " + " | ".join(cells) + " |", flush=True)


def unbounded(datasets: int, draws: int) -> None:
    rng = np.random.default_rng(1)
    cases = {
        "normal": (0.0, rng.normal(0, 1, (30, datasets))),
        "exponential": (1.0, rng.exponential(1, (30, datasets))),
        "log-normal, sigma .5": (float(np.exp(0.125)), rng.lognormal(0, 0.5, (30, datasets))),
        "log-normal, sigma 1": (float(np.exp(0.5)), rng.lognormal(0, 1, (30, datasets))),
    }
    found = {name: way for name, way in ways(draws).items() if name in ("t", "percentile", "bootstrap_t")}
    header("values", *found)
    for name, (value, values) in cases.items():
        print(f"| {name} | " + " | ".join(cell(in_parts(way, values), value) for way in found.values()) + " |")


def seeds(datasets: int) -> None:
    """Runs whose seeds differ: intervals over prompts alone, and over prompts and seeds. The truth is E[p^s] = 1/2."""
    header("seeds", "sd between seeds", "over prompts", "over prompts and seeds")
    rng = np.random.default_rng(2)
    for count in (3, 5):
        for spread in (0.0, 0.1, 0.3):
            held = np.zeros((2, datasets))
            for i in range(datasets):
                strength = np.exp(rng.normal(0, spread, (count, 1)))
                p = probabilities(MIXTURES["uniform"], (1, 100), rng) ** strength
                values = rng.binomial(SAMPLES, p) / SAMPLES
                alone = interval(values.mean(axis=0), "mid_p", CONFIDENCE)[0]
                both = covering_seeds(alone, [values.mean(axis=1)], CONFIDENCE, 0.0, 1.0)
                held[:, i] = [f.low <= 0.5 <= f.high for f in (alone, both)]  # type: ignore[operator]
            print(f"| {count} | {spread} | " + " | ".join(f"{100 * h:.1f}" for h in held.mean(axis=1)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--datasets", type=int, default=2000, help="simulated data sets per case")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap resamples per interval")
    a = parser.parse_args()
    error = 100 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / a.datasets)
    print(f"95 % intervals: coverage in per cent (standard error {error:.1f}) / mean width; {a.datasets} data sets")
    print("\nmissed problems\n")
    misses()
    print(f"\npass@1, 30 problems x {SAMPLES} samples\n")
    compared(a.datasets, a.draws, (1,), 30)
    print(f"\nmid_p, pass@k of {SAMPLES} samples, by number of problems\n")
    by_size(a.datasets)
    print("\npaired differences, by number of problems\n")
    differences(a.datasets // 4, a.draws)
    print("\nunbounded values, 30 problems\n")
    unbounded(a.datasets, a.draws)
    print("\npass@1 of a run, 100 problems x 16 samples, seeds whose log strength spreads\n")
    seeds(a.datasets // 2)


if __name__ == "__main__":
    main()
