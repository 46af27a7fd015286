"""Two policies on the same problems: tests and intervals of the difference, and Holm's correction over many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from rlpipe.statistics.intervals import Interval, Method, cluster_se, interval
from rlpipe.statistics.proportion import proportion
from rlpipe.statistics.signs import ENUMERATE_UP_TO, sign_flip, signed_mean

Array = np.ndarray


@dataclass(frozen=True)
class Paired:
    """Mean of d_i = b_i - a_i over problems, its standard error and interval, and the sign-flip p-value (two-sided).

    `bound`: p is the smallest that so many random flips can give; the truth may be lower. `covers`: as of an Interval.
    """

    value: float
    se: float | None
    low: float | None
    high: float | None
    ci_method: str
    p: float
    test: str  # how p was found: every flip, or so many random ones
    num_problems: int
    bound: bool = False
    covers: str = "prompts"


def paired(
    a: ArrayLike,
    b: ArrayLike,
    method: Method = "mid_p",
    confidence: float = 0.95,
    draws: int = 10_000,
    flips: int = 100_000,
    seed: int = 0,
    bounded: ArrayLike = False,
) -> list[Paired]:
    """What `b` has over `a`, problem by problem, for every column of `[M]` or `[M, C]` values.

    `bounded` (one, or one per column): the values lie in [0, 1]. The default interval is `signed_mean`'s. Where no problem
    differs, the share of problems that may differ all the same is below the mid-P bound, and so is the mean difference;
    for unbounded values there is no interval then.

    Raises: ValueError for shapes that differ or a value that is not finite.
    """
    difference = _difference(a, b)
    if not np.isfinite(difference).all():
        raise ValueError(f"problem {int((~np.isfinite(difference)).any(axis=1).argmax())} has no value; leave it out")
    limited = np.broadcast_to(np.asarray(bounded), difference.shape[1])
    found = [_interval(d, bool(b), method, confidence, draws, seed) for d, b in zip(difference.T, limited, strict=True)]
    tests = [sign_flip(column, flips, seed) for column in difference.T]
    return [
        Paired(f.value, f.se, f.low, f.high, f.method, t.p, t.name, len(difference), t.p <= t.floor)
        for f, t in zip(found, tests, strict=True)
    ]


def _interval(
    d: Float[Array, "M"], bounded: bool, method: Method, confidence: float, draws: int, seed: int
) -> Interval:
    """The default where few differ or the metric is bounded is `signed_mean`'s; else the interval of a mean."""
    num = int((d != 0).sum())
    if len(d) > 1 and method == "mid_p" and bounded and not num:
        bound = proportion(0, len(d), confidence)[1]
        return Interval(0.0, 0.0, -bound, bound, "mid_p")
    if len(d) < 2 or method != "mid_p" or not num or (num > ENUMERATE_UP_TO and not bounded):
        return interval(d, method, confidence, draws, seed, bounded=False)[0]
    low, high = signed_mean(d, 1.0 if bounded else float(np.abs(d).max()), confidence)
    return Interval(float(d.mean()), float(cluster_se(d)[0]), low, high, "signs")


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
