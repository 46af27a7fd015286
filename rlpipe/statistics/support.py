"""Which problems a policy can solve at all, before and after training: kept, gained, lost, never.

"Solved" means at least one (or two) of k samples correct. A problem that was lost fell below what k samples can see,
which is not probability zero: print the detection floor beside every count.

Source: The Invisible Leash, arXiv:2507.14843. Differs: counts also at two hits, and a split-half control of the base
policy against itself, as problems decided by one lucky sample flip between seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

Array = np.ndarray


@dataclass(frozen=True)
class Support:
    """Numbers of problems (expected numbers, where subsets were averaged over)."""

    preserved: float  # both solve
    expanded: float  # only the trained policy
    shrunk: float  # only the base policy
    out: float  # neither

    @property
    def retention(self) -> float | None:
        """SRR = P / (P + S): share of the base's problems that are kept."""
        return _ratio(self.preserved, self.preserved + self.shrunk)

    @property
    def discovery(self) -> float | None:
        """NDR = E / (P + E): share of the trained policy's problems that are new."""
        return _ratio(self.expanded, self.preserved + self.expanded)

    @property
    def dynamics(self) -> float | None:
        """SDS: harmonic mean of retention and discovery."""
        r, d = self.retention, self.discovery
        if r is None or d is None:
            return None
        return 2 * r * d / (r + d) if r + d > 0 else 0.0

    @property
    def net_change(self) -> float | None:
        """NSCR = (E - S) / (P + E + S)."""
        return _ratio(self.expanded - self.shrunk, self.preserved + self.expanded + self.shrunk)


def support(base_hits: ArrayLike, hits: ArrayLike, at_least: int = 1) -> Support:
    """Problems by who solves them; hits `[M]` are correct samples of each problem.

    Raises: ValueError for lengths that differ.
    """
    before, after = np.asarray(base_hits) >= at_least, np.asarray(hits) >= at_least
    if before.shape != after.shape:
        raise ValueError(f"support: {before.shape} problems of the base policy, {after.shape} of the trained one")
    return Support(*(float(x.sum()) for x in (before & after, after & ~before, before & ~after, ~before & ~after)))


def expected_support(base_hits: ArrayLike, hits: ArrayLike, n: int, k: int, at_least: int = 1) -> Support:
    """The counts that k of the n samples would show, averaged over all subsets: to set beside the control."""
    before, after = _solved(base_hits, n, k, at_least), _solved(hits, n, k, at_least)
    parts = (before * after, (1 - before) * after, before * (1 - after), (1 - before) * (1 - after))
    return Support(*(float(x.sum()) for x in parts))


def split_half(base_hits: ArrayLike, n: int, at_least: int = 1) -> tuple[Support, float]:
    """The base policy against itself: n // 2 of its samples against n // 2 others, averaged over all splits.

    Returns: expected counts, in which gained equals lost, and the standard deviation of gained - lost in one split. A
    trained policy whose counts look like these has shown no change of support.
    """
    c, k = np.asarray(base_hits).astype(int), n // 2
    once = _solved(c, n, k, at_least)
    # Both halves solved, by how many of the hits fall in the first; the second then draws from what is left.
    both = np.zeros(len(c))
    for first in range(at_least, k + 1):
        left = c - first
        # Outside these bounds the first factor is 0.
        second = _solved(np.clip(left, 0, n - k), n - k, k, at_least)
        both += stats.hypergeom.pmf(first, n, c, k) * second
    differ = once - both
    counts = Support(*(float(x.sum()) for x in (both, differ, differ, 1 - 2 * once + both)))
    return counts, float(np.sqrt(2 * differ.sum()))


def detection_floor(k: int, confidence: float = 0.95) -> float:
    """Success probability that k misses leave possible: -ln(1 - confidence) / k."""
    return -log(1 - confidence) / k


def _solved(hits: ArrayLike, n: int, k: int, at_least: int) -> Float[Array, "M"]:
    """Chance that k of the n samples hold `at_least` of the hits."""
    values: Float[Array, "M"] = stats.hypergeom.sf(at_least - 1, n, np.asarray(hits).astype(int), k)
    return values


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
