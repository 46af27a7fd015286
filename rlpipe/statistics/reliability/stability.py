"""What evaluating only the last policy hides: drops on the way, and the worst case.

**K** tasks (a source and level each), **N** policies kept along a run in order, **M** items of a task.
`a [N]` is the accuracy of a task at every kept policy.
Source: De Lange et al., arXiv:2205.13452. Differs: cross-fitting; the reading for runs that train on all tasks at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

Array = np.ndarray
NEAR = 0.02  # of its running maximum: where a task counts as learned


def minimum_after(a: ArrayLike, learned: int, now: int | None = None) -> float | None:
    """The least accuracy after policy `learned` up to `now` (the last); None if none came after."""
    after = np.asarray(a, dtype=float)[learned + 1 : None if now is None else now + 1]
    return float(after.min()) if len(after) else None


def worst_case_accuracy(current: float, minima: Sequence[float]) -> float:
    """WC-ACC: the mean over the accuracy of the task being trained and the minima of those before it."""
    return float(np.mean([current, *minima]))


def windowed_forgetting(a: ArrayLike, window: int | None = None) -> float:
    """The largest fall within any `window` policies in a row (all of them by default); never below 0."""
    return _largest_fall(np.asarray(a, dtype=float), window)


def windowed_plasticity(a: ArrayLike, window: int | None = None) -> float:
    """The largest rise within any `window` policies in a row; never below 0."""
    return _largest_fall(-np.asarray(a, dtype=float), window)


def _largest_fall(a: Float[Array, "N"], window: int | None) -> float:
    reach = len(a) if window is None else window
    return max((float(a[i] - a[i : i + reach].min()) for i in range(len(a))), default=0.0)


def learned_at(a: ArrayLike) -> int:
    """The first policy that lies within 0.02 of the highest accuracy of any, where a run has no phases."""
    values = np.asarray(a, dtype=float)
    return int((values >= values.max() - NEAR).argmax())


def cross_fitted_drawdown(values: Float[Array, "N M"], seed: int = 0, halvings: int = 20) -> float:
    """The largest fall, its two policies chosen on one half of the items and measured on the other; mean over halvings.

    A minimum over noisy evaluations is low though nothing happened; measured on other items, it is not. It may be
    negative where there was no fall.
    """
    rng, falls = np.random.default_rng(seed), []
    num = values.shape[1]
    for _ in range(halvings):
        order = rng.permutation(num)
        for chosen, held in ((order[: num // 2], order[num // 2 :]), (order[num // 2 :], order[: num // 2])):
            if len(chosen) and len(held):
                high, low = _fall(values[:, chosen].mean(axis=1))
                own = values[:, held].mean(axis=1)
                falls.append(float(own[high] - own[low]))
    return float(np.mean(falls)) if falls else 0.0


def _fall(a: Float[Array, "N"]) -> tuple[int, int]:
    """The policies between which the accuracy falls most; twice the same where it only rises."""
    pairs = [(i, i + int(a[i:].argmin())) for i in range(len(a))]
    return max(pairs, key=lambda pair: a[pair[0]] - a[pair[1]])
