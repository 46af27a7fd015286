"""Two policies on the same problems: tests and intervals of the difference, and Holm's correction over many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from rlpipe.statistics.intervals import Interval, Method, interval, wilson

Array = np.ndarray
ENUMERATE_UP_TO = 20
BLOCK = 2**13


@dataclass(frozen=True)
class Paired:
    """Mean of d_i = b_i - a_i over problems, its standard error and interval, and the sign-flip p-value (two-sided)."""

    value: float
    se: float | None
    low: float | None
    high: float | None
    ci_method: str
    p: float
    test: str  # how p was found: every flip, or so many random ones
    num_problems: int


def paired(
    a: ArrayLike,
    b: ArrayLike,
    method: Method = "bootstrap_t",
    confidence: float = 0.95,
    draws: int = 10_000,
    flips: int = 100_000,
    seed: int = 0,
    bounded: ArrayLike = False,
) -> list[Paired]:
    """What `b` has over `a`, problem by problem, for every column of `[M]` or `[M, C]` values.

    `bounded` (one, or one per column): the values lie in [0, 1]. Where no problem differs, the share of problems that
    may differ all the same is below Wilson's bound, and so is the mean difference; for unbounded values there is no
    interval.

    Raises: ValueError for shapes that differ or a value that is not finite.
    """
    difference = _difference(a, b)
    found = interval(difference, method, confidence, draws, seed, bounded=False)
    limited = np.broadcast_to(np.asarray(bounded), len(found))
    if len(difference) > 1 and not difference.any(axis=0).all():
        bound = wilson(0, len(difference), confidence)[1]
        same = limited & ~difference.any(axis=0)
        found = [Interval(0.0, 0.0, -bound, bound, "wilson") if same[i] else f for i, f in enumerate(found)]
    p, test = sign_flip(difference, flips, seed)
    return [
        Paired(f.value, f.se, f.low, f.high, f.method, float(p[i]), test, len(difference)) for i, f in enumerate(found)
    ]


def sign_flip(difference: ArrayLike, flips: int = 100_000, seed: int = 0) -> tuple[Float[Array, "C"], str]:
    """Two-sided p-value of a mean difference of 0, for every column of `[M]` or `[M, C]`, and the name of the test.

    Under the hypothesis that it does not matter which policy is which, the sign of every difference is a coin. Up to
    M = 20 all 2^M flips are counted; above, p = (1 + hits) / (1 + flips), the same flips for every column.
    """
    d = np.asarray(difference, dtype=float)
    d = d[:, None] if d.ndim == 1 else d
    # Equal up to rounding counts as a hit: the order of a sum must not decide.
    observed = np.abs(d.sum(axis=0)) - 1e-9 * np.abs(d).sum(axis=0)
    if len(d) <= ENUMERATE_UP_TO:
        shares = [float((np.abs(_all_sums(d[:, i])) >= observed[i]).mean()) for i in range(d.shape[1])]
        return np.array(shares), "sign-flip, exact"
    rng = np.random.default_rng(seed)
    hits = np.zeros(d.shape[1])
    for start in range(0, flips, BLOCK):
        sums = 2.0 * (_coins(rng, min(BLOCK, flips - start), len(d)) @ d) - d.sum(axis=0)
        hits += (np.abs(sums) >= observed).sum(axis=0)
    return (1 + hits) / (1 + flips), f"sign-flip, {flips} draws"


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for all of them being looked at (Holm 1979), in the order given.

    Raises: ValueError for a value outside [0, 1].
    """
    values: Float[Array, "m"] = np.asarray(p, dtype=float)
    if ((values < 0) | (values > 1) | np.isnan(values)).any():
        raise ValueError(f"p-values {list(p)}: each must lie in [0, 1]")
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(x) for x in adjusted]


def _difference(a: ArrayLike, b: ArrayLike) -> Float[Array, "M C"]:
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if first.shape != second.shape:
        raise ValueError(f"paired comparison: {first.shape} values of one policy, {second.shape} of the other")
    difference = second - first
    return difference[:, None] if difference.ndim == 1 else difference


def _all_sums(d: Float[Array, "M"]) -> Float[Array, "flips"]:
    """Sums of the differences under every choice of signs."""
    sums = np.zeros(1)
    for size in d[d != 0]:
        sums = np.concatenate([sums - size, sums + size])
    return sums


def _coins(rng: np.random.Generator, rows: int, m: int) -> Float[Array, "b M"]:
    """Fair coins, eight to a byte of the generator."""
    width = -(-m // 8)
    bits = np.unpackbits(np.frombuffer(rng.bytes(rows * width), np.uint8).reshape(rows, width), axis=1)
    return bits[:, :m].astype(float)
