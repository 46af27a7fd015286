"""How well a score tells members from non-members: AUC with intervals, F1, and detection at few false alarms.

Every function takes scores that have been multiplied by the detector's direction, so that a larger one is more
suspicious, of members `[n1]` and of non-members `[n0]`, without NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Scores = Sequence[float] | NDArray[np.float64]
Floats = NDArray[np.float64]
F1_EPSILON = 1e-6
FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class Interval:
    value: float
    lo: float
    hi: float
    se: float = float("nan")


def wins(members: Scores, nonmembers: Scores) -> Floats:
    """`[n1, n0]`: 1 where the member scores higher, 1/2 where equal, 0 otherwise. Its mean is the AUC.

    Raises: ValueError if a class is empty or a score is NaN.
    """
    a, b = np.asarray(members, float), np.asarray(nonmembers, float)
    if not len(a) or not len(b):
        raise ValueError(f"AUC of {len(a)} members and {len(b)} non-members: both classes need a score")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("AUC: a score is NaN; drop such prompts and report how many")
    return (a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None])


def auc(members: Scores, nonmembers: Scores) -> float:
    """P(member scores higher) + P(equal) / 2, the Mann-Whitney statistic: the area under the ROC curve."""
    return float(wins(members, nonmembers).mean())


@lru_cache(maxsize=16)
def resampling_weights(n1: int, n0: int, draws: int, seed: int) -> tuple[Floats, Floats]:
    """How often each member `[draws, n1]` and non-member `[draws, n0]` is drawn, over its class size: strata apart."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n1, np.full(n1, 1 / n1), draws) / n1, rng.multinomial(n0, np.full(n0, 1 / n0), draws) / n0


def bootstrap(comparison: Floats, draws: int, confidence: float, seed: int) -> Interval:
    """Percentile interval of the mean of `wins`, or of a difference of two; both classes are resampled apart.

    Equal seeds and sizes draw equal prompts, so intervals of several detectors, and differences of two policies on the
    same prompts, are comparable.
    """
    member_weight, nonmember_weight = resampling_weights(len(comparison), comparison.shape[1], draws, seed)
    drawn = ((member_weight @ comparison) * nonmember_weight).sum(1)
    tail = 50 * (1 - confidence)
    lo, hi = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(comparison.mean()), float(lo), float(hi), float(drawn.std(ddof=1)))


def delong(members: Scores, nonmembers: Scores, confidence: float = 0.95) -> Interval:
    """AUC with DeLong's standard error and normal interval, clipped to [0, 1]; NaN bounds below two prompts per class.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988, eq. 5-7. The error is 0 at an AUC of 0 or 1.
    """
    comparison = wins(members, nonmembers)
    n1, n0 = comparison.shape
    area = float(comparison.mean())
    if min(n1, n0) < 2:
        return Interval(area, float("nan"), float("nan"))
    variance = comparison.mean(1).var(ddof=1) / n1 + comparison.mean(0).var(ddof=1) / n0
    se = float(np.sqrt(variance))
    reach = float(norm.ppf(0.5 + confidence / 2)) * se
    return Interval(area, max(0.0, area - reach), min(1.0, area + reach), se)


def planning_se(area: float, n1: int, n0: int) -> float:
    """Standard error to expect of an AUC of `area`, from the class sizes alone.

    Source: Hanley and McNeil, Radiology 143, 1982, eq. 2, with Q1 = A / (2 - A) and Q2 = 2 A^2 / (1 + A).
    """
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n1 - 1) * (q1 - area**2) + (n0 - 1) * (q2 - area**2)
    return float(np.sqrt(max(variance, 0.0) / (n1 * n0)))


@dataclass(frozen=True)
class Roc:
    """The ROC curve: `tpr[i]`, `fpr[i]` flagging every score >= `threshold[i]`; the first threshold flags nothing."""

    threshold: Floats
    fpr: Floats
    tpr: Floats
    n1: int
    n0: int

    @property
    def f1(self) -> Floats:
        """2 P R / (P + R + 1e-6) at each threshold."""
        hits, alarms = self.tpr * self.n1, self.fpr * self.n0
        precision = hits / np.maximum(hits + alarms, 1)
        return 2 * precision * self.tpr / (precision + self.tpr + F1_EPSILON)

    def best_f1(self) -> tuple[float, float]:
        """Largest F1 and its threshold, the lowest of several; tuned on the data it is measured on, so optimistic."""
        best = len(self.f1) - 1 - int(np.argmax(self.f1[::-1]))
        return float(self.f1[best]), float(self.threshold[best])

    def youden(self) -> tuple[float, float, float]:
        """Largest TPR - FPR, its threshold (the highest of several), and F1 there: the F1 of the paper's tables."""
        best = int(np.argmax(self.tpr - self.fpr))
        return float(self.tpr[best] - self.fpr[best]), float(self.threshold[best]), float(self.f1[best])

    def tpr_at(self, fpr: float = FALSE_ALARMS) -> float:
        """TPR of the last point with a false-positive rate strictly below `fpr`.

        With 20 non-members or fewer, no false alarm at all is allowed: 1 of 20 is .05, not below it.
        """
        return float(self.tpr[int(np.flatnonzero(self.fpr < fpr)[-1])])


def roc(members: Scores, nonmembers: Scores) -> Roc:
    """The curve through every distinct score.

    Differs: scikit-learn leaves out points on a straight line, which can lower the TPR at a strict limit.
    """
    a, b = np.sort(np.asarray(members, float)), np.sort(np.asarray(nonmembers, float))
    threshold = np.unique(np.concatenate([a, b]))[::-1]
    tpr = (len(a) - np.searchsorted(a, threshold, side="left")) / len(a)
    fpr = (len(b) - np.searchsorted(b, threshold, side="left")) / len(b)
    start = np.zeros(1)
    return Roc(
        threshold=np.concatenate([[np.inf], threshold]),
        fpr=np.concatenate([start, fpr]),
        tpr=np.concatenate([start, tpr]),
        n1=len(a),
        n0=len(b),
    )


def roc_points(members: Scores, nonmembers: Scores) -> list[dict[str, Any]]:
    """The curve as rows `{fpr, tpr, threshold}` for a figure; the first threshold, above every score, is null."""
    curve = roc(members, nonmembers)
    return [
        {"fpr": float(f), "tpr": float(t), "threshold": float(s) if np.isfinite(s) else None}
        for f, t, s in zip(curve.fpr, curve.tpr, curve.threshold, strict=True)
    ]


def mean_over_sources(members: Sequence[tuple[str, float]], nonmembers: Sequence[tuple[str, float]]) -> float:
    """Unweighted mean of the AUCs within each data source that has both classes; NaN where none has.

    Takes (source, score) pairs.
    """
    sources = {s for s, _ in members} & {s for s, _ in nonmembers}
    areas = [auc([x for s, x in members if s == k], [x for s, x in nonmembers if s == k]) for k in sorted(sources)]
    return float(np.mean(areas)) if areas else float("nan")
