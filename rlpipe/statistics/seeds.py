"""Intervals that also cover which seeds a run happened to be trained with, from three seeds on.

An interval over prompts says where the mean of these policies lies; other seeds make other policies. Both doubts are
added as squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rlpipe.statistics.intervals import Interval
from rlpipe.statistics.paired import Paired

FEWEST = 3  # seeds whose spread can be told at all
BOTH = "prompts and seeds"

Found = TypeVar("Found", Interval, Paired)


def covering_seeds(
    found: Found, seeds: Sequence[ArrayLike], confidence: float = 0.95, least: float = -np.inf, most: float = np.inf
) -> Found:
    """The interval over prompts, widened by what another draw of seeds would change; as it is for fewer than three seeds.

    `seeds`: for every trained policy in the value (one, or the two of a difference) the means of its seeds `[S]`. Each
    distance to a bound becomes sqrt(distance^2 + (t x se)^2): se^2 sums var / S over the policies, t is Student's with
    Satterthwaite's degrees of freedom. Bounds stay within `least` and `most`.

    Source: MOVER, Donner & Zou 2012. Differs: the noise of sampling is in both parts, so the interval is too wide
    rather than too narrow where seeds hardly differ.
    """
    means = [np.asarray(s, dtype=float) for s in seeds]
    if found.low is None or found.high is None or not means or min(map(len, means)) < FEWEST:
        return found
    parts = np.array([m.var(ddof=1) / len(m) for m in means])
    se = float(np.sqrt(parts.sum()))
    if se == 0:
        return replace(found, covers=BOTH)
    freedom = parts.sum() ** 2 / (parts**2 / np.array([len(m) - 1 for m in means])).sum()
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * se
    low = found.value - float(np.hypot(found.value - found.low, reach))
    high = found.value + float(np.hypot(found.high - found.value, reach))
    return replace(found, low=max(low, least), high=min(high, most), covers=BOTH)
