"""A collapse alarm: do fluctuations of a training curve slow down and grow before it falls, by more than chance?

Near a fold a system recovers slowly: lag-1 autocorrelation and variance of what is left after detrending rise. Each
look sees what came before it alone. A trend is judged by surrogates without one (autoregressive series), never by
Kendall's own p-value: windows overlap. Exploratory: many collapses do not slow down first.

**x [T]** one value per step. **e** is x minus its trend. **w** is the length of the rolling window.
Source: Boettiger, Ross, Hastings, arXiv:1305.6700; Dakos et al. 2012; indicators as in ewstools. Differs: every look is
causal; at most 10 looks, so that 199 surrogates can reach alpha over their number; tau over at most 64 of the windows,
evenly apart; surrogates with their autocorrelation rounded to a tenth, on which tau hardly depends, so that runs share
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

Array = np.ndarray
BANDWIDTH, WINDOW = 0.2, 0.25  # shares of the steps seen
SURROGATES, ALPHA = 199, 0.05
EVERY, MOST_LOOKS = 20, 10  # steps between looks at least, and looks at most
FEWEST = 20  # points in a window, and windows
MOST_WINDOWS = 64
BEFORE, MADS, WITHIN = 50, 6.0, 5  # of the precursor rule


@dataclass(frozen=True)
class Look:
    """What was seen after `steps` steps: trends of both indicators and the shares of surrogates that reach them."""

    steps: int
    tau_ac1: float
    tau_variance: float
    p_ac1: float
    p_variance: float

    def rings(self, looks: int) -> bool:
        """Both trends are beyond chance, the error shared by all looks."""
        return max(self.p_ac1, self.p_variance) <= ALPHA / looks + 1e-12


@dataclass(frozen=True)
class Alarm:
    """After how many steps each rule rang, whether it could look at all, and how often it rings where there is nothing.

    `looks` 0: the run is too short, or constant. `chance` and `spikes_chance` are shares of series of the run's length
    and autocorrelation, without any trend, for which the rule rings at some step.
    """

    rang: list[int]
    looks: int
    chance: float
    spikes: list[int]
    spikes_looked: bool
    spikes_chance: float


def detrended(x: Float[Array, "... T"], bandwidth: float = BANDWIDTH) -> Float[Array, "... T"]:
    """x minus its mean under a Gaussian kernel whose quartiles lie `bandwidth` T / 4 from its centre, edges reflected."""
    sigma = 0.25 / 0.675 * bandwidth * x.shape[-1]
    return x - gaussian_filter1d(x, sigma, axis=-1, mode="reflect")


def rolling_variance(e: Float[Array, "... T"], w: int) -> Float[Array, "... n"]:
    """Variance (ddof 1) of every window of w values."""
    return _moments(e, e, w) / (w - 1)


def rolling_ac1(e: Float[Array, "... T"], w: int) -> Float[Array, "... n"]:
    """Pearson correlation of every window's first w - 1 values with its last; NaN where they are constant."""
    first, last = e[..., :-1], e[..., 1:]
    spread = _moments(first, first, w - 1) * _moments(last, last, w - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, _moments(first, last, w - 1) / np.sqrt(spread), np.nan)


def _moments(a: Float[Array, "... T"], b: Float[Array, "... T"], w: int) -> Float[Array, "... n"]:
    """Sums of centred products over windows of w, by running sums."""
    sums = [_windowed(x, w) for x in (a * b, a, b)]
    return sums[0] - sums[1] * sums[2] / w


def _windowed(x: Float[Array, "... T"], w: int) -> Float[Array, "... n"]:
    total = np.concatenate([np.zeros((*x.shape[:-1], 1)), np.cumsum(x, axis=-1)], axis=-1)
    return total[..., w:] - total[..., :-w]


def trend(values: Float[Array, "... n"]) -> Float[Array, "..."]:
    """Kendall's tau of the values against their order."""
    n = values.shape[-1]
    i, j = np.triu_indices(n, 1)
    return np.asarray(np.sign(values[..., j] - values[..., i]).sum(-1) / (n * (n - 1) / 2))


def trends(e: Float[Array, "... T"], w: int) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Tau of AC1 and of the variance over the windows of w, evenly thinned out to at most 64, the last among them."""
    num = e.shape[-1] - w + 1
    every = -(-num // MOST_WINDOWS)
    chosen = slice((num - 1) % every, None, every)
    return trend(rolling_ac1(e, w)[..., chosen]), trend(rolling_variance(e, w)[..., chosen])


def autocorrelation(e: Float[Array, "T"]) -> float:
    """Coefficient of the autoregressive series of order 1 that e looks like: sum e_i e_i+1 / sum e_i^2."""
    return float(e[:-1] @ e[1:] / (e @ e))


@cache
def surrogates(phi: float, steps: int, seed: int, count: int = SURROGATES) -> Float[Array, "count steps"]:
    """Stationary autoregressive series with innovations of deviation 1: tau knows no scale."""
    noise = np.random.default_rng(seed).standard_normal((count, steps))
    noise[:, 0] /= np.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=-1))


@cache
def _chance(phi: float, steps: int) -> tuple[Float[Array, "count"], Float[Array, "count"]]:
    return trends(surrogates(phi, steps, seed=0), window(steps))


def window(steps: int) -> int:
    return int(WINDOW * steps)


def looks_of(steps: int) -> list[int]:
    """After which steps of a run of this length one looks: windows must hold 20 points. Empty for fewer than 80."""
    first = int(np.ceil(FEWEST / WINDOW))
    every = EVERY
    while len(range(-(-first // every) * every, steps + 1, every)) > MOST_LOOKS:
        every += EVERY
    return list(range(-(-first // every) * every, steps + 1, every))


def look(x: Float[Array, "T"]) -> Look | None:
    """One look at the steps so far; None where some window is constant, so that its AC1 is undefined."""
    e, steps = detrended(x), len(x)
    if np.ptp(sliding_window_view(x, window(steps) - 1), axis=-1).min() == 0:
        return None
    found = trends(e, window(steps))
    chance = _chance(_rounded(autocorrelation(e)), steps)
    p = [float(_shares(c, np.array([tau]))[0]) for c, tau in zip(chance, found, strict=True)]
    return Look(steps, float(found[0]), float(found[1]), *p)


def _rounded(phi: float) -> float:
    return float(np.clip(round(phi, 1), -0.9, 0.9))


def watch(x: ArrayLike, starts: Sequence[int] = ()) -> Alarm:
    """Both rules over a whole run, step by step as it would have been seen.

    `starts`: steps at which something else is trained (another phase, another learning rate), which makes a trend of its
    own: the series begins anew there. The number of looks is that of the whole run, known before it starts.
    """
    values = np.asarray(x, dtype=float)
    bounds = sorted({0, len(values), *(s for s in starts if 0 < s < len(values))})
    parts = list(pairwise(bounds))
    planned = sum(len(looks_of(b - a)) for a, b in parts)
    rang, spiky, looks, quiet = [], [], 0, np.ones(2)
    for a, b in parts:
        found = [seen for n in looks_of(b - a) if (seen := look(values[a : a + n])) is not None]
        looks += len(found)
        rang += [a + seen.steps for seen in found if seen.rings(planned)]
        spiky += [a + 1 + int(i) for i in np.flatnonzero(spikes(values[a:b]))]
        quiet *= 1 - np.array(false_alarms(values[a:b], planned))
    chance = 1 - quiet
    return Alarm(rang, looks, float(chance[0]), spiky, max(b - a for a, b in parts) > BEFORE, float(chance[1]))


def spikes(x: Float[Array, "... T"]) -> Bool[Array, "... T"]:
    """Where a value exceeds the median of the 50 before it by 6 median absolute deviations, for the second time in 5 steps."""
    over = np.zeros(x.shape, dtype=bool)
    if x.shape[-1] > BEFORE:
        past, now = sliding_window_view(x, BEFORE, axis=-1)[..., :-1, :], x[..., BEFORE:]
        above = now - _median(past)[..., 0]
        high = above > 0
        candidates = past[high]
        mad = _median(np.abs(candidates - _median(candidates)))[..., 0]
        over[..., BEFORE:][high] = (above[high] > MADS * mad) & (mad > 0)
    padded = np.concatenate([np.zeros((*x.shape[:-1], WITHIN - 1), dtype=bool), over], axis=-1)
    return over & (sliding_window_view(padded, WITHIN, axis=-1).sum(-1) >= 2)


def false_alarms(x: Float[Array, "T"], planned: int) -> tuple[float, float]:
    """Share of 199 series of this length and autocorrelation for which each rule rings: slowing down, and spikes."""
    e = detrended(x)
    return _false_alarms(_rounded(autocorrelation(e)) if e @ e > 0 else 0.0, len(x), planned)


def _median(x: Float[Array, "... 50"]) -> Float[Array, "... 1"]:
    """Of the last axis, by sorting: five times as fast as `numpy.median` on many short rows."""
    half = x.shape[-1] // 2
    return np.asarray(np.sort(x, axis=-1)[..., half - 1 : half + 1].mean(-1, keepdims=True))


@cache
def _false_alarms(phi: float, steps: int, planned: int) -> tuple[float, float]:
    runs = surrogates(phi, steps, seed=1)
    rang = np.zeros(len(runs), dtype=bool)
    for n in looks_of(steps):
        found = trends(detrended(runs[:, :n]), window(n))
        p = [_shares(chance, tau) for chance, tau in zip(_chance(phi, n), found, strict=True)]
        rang |= np.maximum(*p) <= ALPHA / planned + 1e-12
    return float(rang.mean()), float(spikes(runs).any(-1).mean())


def _shares(chance: Float[Array, "count"], tau: Float[Array, "r"]) -> Float[Array, "r"]:
    """Shares of surrogates that reach each tau, the series itself counted among them."""
    return np.asarray((1 + (chance[None] >= tau[:, None] - 1e-12).sum(-1)) / (len(chance) + 1))
