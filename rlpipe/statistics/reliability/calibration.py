"""Does confidence match the chance of being right, and what accuracy is to be had at which coverage.

**N** items with a confidence `c [N]` in [0, 1] and whether the answer it is about is right, `y [N]` in {0, 1}.
Source: definitions as in arXiv:2309.06248 (balance) and the usual ones of Brier, ECE and risk-coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from rlpipe.statistics.auc import auc

Array = np.ndarray
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """All of it for one policy; `ece_null` is what a policy with right confidences stays below in 95 of 100 draws."""

    num: int
    ece: float
    ece_equal_mass: float
    ece_null: float
    brier: float
    gap: float  # mean y - mean c; below 0 is overconfident
    aurc: float
    excess_aurc: float  # over the perfect order
    auroc: float | None  # None where all answers are right, or all wrong


def calibration(c: ArrayLike, y: ArrayLike, bins: int = BINS, draws: int = 1000, seed: int = 0) -> Calibration:
    """Raises: ValueError for lengths that differ, nothing to judge, or a confidence outside [0, 1]."""
    c, y = _checked(c, y)
    right = np.sort(y)[::-1]
    return Calibration(
        num=len(c),
        ece=ece(c, y, bins),
        ece_equal_mass=ece(c, y, bins, equal_mass=True),
        ece_null=ece_null(c, bins, draws, seed),
        brier=float(np.mean((c - y) ** 2)),
        gap=float(y.mean() - c.mean()),
        aurc=aurc(c, y),
        excess_aurc=aurc(c, y) - float(np.mean(risks(np.arange(len(c), 0.0, -1.0), right))),
        auroc=auroc(c, y),
    )


def ece(c: ArrayLike, y: ArrayLike, bins: int = BINS, equal_mass: bool = False) -> float:
    """sum_b n_b / N |mean c - mean y| over right-closed bins of equal width, or with equally many items (by rank)."""
    c, y = _checked(c, y)
    if equal_mass:
        order = np.argsort(c, kind="stable")
        which = np.empty(len(c), dtype=int)
        which[order] = np.arange(len(c)) * bins // len(c)
    else:
        which = bin_of(c, bins)
    gaps = np.bincount(which, c - y, bins)
    return float(np.abs(gaps).sum() / len(c))


def bin_of(c: Float[Array, "N"], bins: int = BINS) -> Int[Array, "N"]:
    """Which right-closed bin of equal width each confidence falls into, from 0."""
    found: Int[Array, "N"] = np.clip(np.ceil(np.round(c * bins, 9)).astype(int) - 1, 0, bins - 1)
    return found


def ece_null(c: ArrayLike, bins: int = BINS, draws: int = 1000, seed: int = 0, confidence: float = 0.95) -> float:
    """Quantile of the ECE where every answer is right with the probability that its confidence says: it is never 0."""
    c = np.asarray(c, dtype=float)
    rng = np.random.default_rng(seed)
    return float(np.quantile([ece(c, rng.random(len(c)) < c, bins) for _ in range(draws)], confidence))


def balance(c: ArrayLike, y: ArrayLike) -> float:
    """Accuracy of the prediction `c >= 1/2` minus its mean confidence max(c, 1 - c): signed, so that gaps cancel."""
    c, y = _checked(c, y)
    return float(np.mean((c >= 0.5) == (y > 0.5)) - np.maximum(c, 1 - c).mean())


def risks(c: ArrayLike, y: ArrayLike) -> Float[Array, "N"]:
    """Error rate of the k most confident items, k = 1..N; equal confidences share the mean error of their block."""
    c, y = _checked(c, y, ranks=True)
    order = np.argsort(-c, kind="stable")
    errors = 1 - y[order]
    _, block = np.unique(-c[order], return_inverse=True)
    shared = (np.bincount(block, errors) / np.bincount(block))[block]
    return np.cumsum(shared) / np.arange(1, len(c) + 1)


def aurc(c: ArrayLike, y: ArrayLike) -> float:
    """Mean of `risks`: the area under the risk-coverage curve."""
    return float(risks(c, y).mean())


def auroc(c: ArrayLike, y: ArrayLike) -> float | None:
    """Chance that a right answer is more confident than a wrong one, ties one half."""
    c, y = _checked(c, y)
    right, wrong = c[y > 0.5], c[y <= 0.5]
    return auc(right, wrong) if len(right) and len(wrong) else None


def _checked(c: ArrayLike, y: ArrayLike, ranks: bool = False) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    first, second = np.asarray(c, dtype=float), np.asarray(y, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"calibration: {first.shape} confidences and {second.shape} answers; one of each per item")
    if not ranks and not ((first >= 0) & (first <= 1)).all():
        raise ValueError(f"calibration: confidences from {first.min():g} to {first.max():g}; they must lie in [0, 1]")
    return first, second
