"""How often the collapse alarm rings where nothing slows down, and where something does.

    python benchmarks/early_warning.py [--runs 300] [--steps 200]

Each row is a kind of series without or with a slowing down; columns are shares of runs: those for which the alarm rings
(all looks, both indicators), the false alarms it says of itself (mean), those where a single look at the end has p <= 0.05
by AC1, by variance, and those with spikes. The reverse of a series that slows down is its control.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from rlpipe.statistics.reliability.early_warning import look, watch

Series = Callable[[np.random.Generator, int], np.ndarray]


def noise(phi: float) -> Series:
    return lambda rng, steps: np.asarray(lfilter([1.0], [1.0, -phi], rng.standard_normal(steps + 50)))[50:]


def slowing_down(rng: np.random.Generator, steps: int, first: float = 0.3, last: float = 0.95) -> np.ndarray:
    drawn, x = rng.standard_normal(steps), np.zeros(steps)
    for t, phi in enumerate(np.linspace(first, last, steps - 1), start=1):
        x[t] = phi * x[t - 1] + drawn[t]
    return x


def fold(rng: np.random.Generator, steps: int) -> np.ndarray:
    """dx = (r + x^2) dt, its stable state at -sqrt(-r), r from -1 to -0.02: the fold itself is not reached."""
    x, made = -1.0, []
    for r in np.linspace(-1.0, -0.02, steps):
        x += 0.3 * (r + x * x) + 0.05 * rng.standard_normal()
        x = min(x, 0.5)
        made.append(x)
    return np.array(made)


KINDS: dict[str, Series] = {
    "noise, phi 0": noise(0.0),
    "noise, phi 0.5": noise(0.5),
    "noise, phi 0.9": noise(0.9),
    "falling level, phi 0.3": lambda rng, n: noise(0.3)(rng, n) + np.linspace(20, 0, n),
    "noise that grows to twice its size": lambda rng, n: noise(0.3)(rng, n) * np.linspace(1, 2, n),
    "slowing down, phi 0.3 to 0.95": slowing_down,
    "the same, reversed": lambda rng, n: slowing_down(rng, n)[::-1],
    "towards a fold": fold,
    "the same fold, reversed": lambda rng, n: fold(rng, n)[::-1],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    print(f"{args.runs} runs of {args.steps} steps; standard errors at most {0.5 / args.runs**0.5:.3f}")
    print(f"{'series':36}{'rings':>8}{'said':>8}{'AC1':>8}{'variance':>10}{'spikes':>8}{'s/run':>8}")
    for name, series in KINDS.items():
        rng, start = np.random.default_rng(7), time.perf_counter()
        runs = [series(rng, args.steps) for _ in range(args.runs)]
        found = [watch(x) for x in runs]
        spent = (time.perf_counter() - start) / args.runs
        last = [seen for x in runs if (seen := look(x))]
        shares = [np.mean([bool(f.rang) for f in found]), np.mean([f.chance for f in found])]
        shares += [np.mean([s.p_ac1 <= 0.05 for s in last]), np.mean([s.p_variance <= 0.05 for s in last])]
        shares += [np.mean([bool(f.spikes) for f in found])]
        widths = (8, 8, 8, 10, 8)
        print(f"{name:36}" + "".join(f"{s:{w}.3f}" for s, w in zip(shares, widths, strict=True)) + f"{spent:8.3f}")


if __name__ == "__main__":
    main()
