"""Whether differences lean to one side: the sign-flip test of their mean, and the interval that agrees with it.

**M** differences d_i. Their sizes are taken as they are; what is random is their signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from rlpipe.statistics.proportion import HALVINGS, mid_p_mean, proportion

Array = np.ndarray
ENUMERATE_UP_TO = 20  # differences that are not 0; all 2^20 choices of their signs
BLOCK = 2**13
ROUNDING = 1e-9  # sums equal up to this share count as equal: the order of a sum must not decide


@dataclass(frozen=True)
class SignTest:
    """The two-sided p-value and how it was found; a `p` no larger than `floor` is a bound, which more draws could lower."""

    p: float
    floor: float
    name: str


def sign_flip(d: ArrayLike, flips: int = 100_000, seed: int = 0) -> SignTest:
    """Test of a mean difference of 0, from differences `[M]`.

    Under the hypothesis that it does not matter which policy is which, the sign of every difference is a coin. Where up
    to 20 are not 0, all flips are counted; else p = (1 + hits) / (1 + flips) over random ones.
    """
    d = _nonzero(d)
    observed = np.abs(d.sum()) - ROUNDING * np.abs(d).sum()
    if len(d) <= ENUMERATE_UP_TO:
        sums = _choices(tuple(np.abs(d)))[0]
        return SignTest(float((np.abs(sums) >= observed).mean()), 0.0, "sign-flip, exact")
    rng, hits = np.random.default_rng(seed), 0
    for start in range(0, flips, BLOCK):
        sums = 2.0 * (_coins(rng, min(BLOCK, flips - start), len(d)) @ d) - d.sum()
        hits += int((np.abs(sums) >= observed).sum())
    return SignTest((1 + hits) / (1 + flips), 1 / (1 + flips), f"sign-flip, {flips} draws")


def signed_mean(d: Float[Array, "M"], scale: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of differences `[M]`, at least two and not all 0; it leaves out 0 where the exact test rejects.

    The mean is size x lean: the mean of |d|, whose mid-P interval (in units of `scale`, the largest that a difference can
    be) says how much may differ that was not met, and lean = sum d / sum |d|, whose interval is that of the signs. Both
    are joined by adding the squares of what each contributes, on the log scale where lean's interval is on one side of 0,
    so that the sign is kept. With many differences it is the normal interval of the mean: the two variances add up to it.

    Source: MOVER, Donner & Zou 2012; Newcombe 2016. Differs: the factors.
    """
    if d.sum() < 0:
        low, high = signed_mean(-d, scale, confidence)
        return -high, -low
    size = float(np.abs(d).mean())
    few, many = (float(x[0]) * scale for x in mid_p_mean(np.abs(d)[:, None] / scale, confidence))
    lean = float(d.sum() / np.abs(d).sum())
    least, most = lean_interval(d, confidence)
    high = size * lean + float(np.hypot(lean * (many - size), size * (most - lean)))
    if least > 0:
        return size * lean * float(np.exp(-np.hypot(np.log(size / few), np.log(lean / least)))), high
    return size * lean - float(np.hypot(lean * (size - few), size * (lean - least))), high


def lean_interval(d: Float[Array, "M"], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of 2 P(+) - 1, were every sign an independent draw with the same chance of being positive.

    Up to 20 differences that are not 0: the chances at which neither tail of the signed sum is below its share, over all
    choices of signs. Above: mid-P with (sum |d|)^2 / sum d^2 trials (Kish).
    """
    d = _nonzero(d)
    if len(d) > ENUMERATE_UP_TO:
        sizes = np.abs(d)
        trials = sizes.sum() ** 2 / (sizes**2).sum()
        low, high = proportion((1 + d.sum() / sizes.sum()) / 2 * trials, trials, confidence)
        return 2 * low - 1, 2 * high - 1
    tail = (1 - confidence) / 2
    return 2 * _chance(d, tail) - 1, 1 - 2 * _chance(-d, tail)


def _chance(d: Float[Array, "k"], tail: float) -> float:
    """The chance of a plus at which a sum of at least the one seen has probability `tail`, by halving."""
    sums, pluses = _choices(tuple(np.abs(d)))
    reached = sums >= d.sum() - ROUNDING * np.abs(d).sum()
    counts = np.bincount(pluses[reached], minlength=len(d) + 1).astype(float)
    j, low, high = np.arange(len(d) + 1), 0.0, 1.0
    if reached.all():
        return 0.0
    for _ in range(HALVINGS):
        p = (low + high) / 2
        low, high = (p, high) if (counts * p**j * (1 - p) ** (len(d) - j)).sum() < tail else (low, p)
    return low


@lru_cache(maxsize=4)
def _choices(sizes: tuple[float, ...]) -> tuple[Float[Array, "flips"], Int[Array, "flips"]]:
    """The sum of the sizes under every choice of signs, and the number of pluses in it."""
    sums, pluses = np.zeros(1), np.zeros(1, dtype=np.int8)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
        pluses = np.concatenate([pluses, pluses + 1])
    return sums, pluses


def _nonzero(d: ArrayLike) -> Float[Array, "k"]:
    values = np.asarray(d, dtype=float)
    return values[values != 0]


def _coins(rng: np.random.Generator, rows: int, m: int) -> Float[Array, "b M"]:
    """Fair coins, eight to a byte of the generator."""
    width = -(-m // 8)
    bits = np.unpackbits(np.frombuffer(rng.bytes(rows * width), np.uint8).reshape(rows, width), axis=1)
    return bits[:, :m].astype(float)
