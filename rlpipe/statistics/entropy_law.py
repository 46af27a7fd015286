"""Reward against policy entropy: R = -a exp(H) + b, fitted, resampled, tested on the steps it has not seen, or refused.

A good fit does not identify the law: over a short range of H a line in H, or the logarithm of the step, fits as well.
Their R^2 is given beside it.

Source: The Entropy Mechanism, arXiv:2505.22617, eq. 1 (one box of the paper prints exp(H + b): a typo). Differs: the
bootstrap of a and b over steps, the alternatives and the refusals are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

Array = np.ndarray


@dataclass(frozen=True)
class Law:
    """A fit over `num_steps` points; intervals are percentile bootstraps over them."""

    a: float
    b: float
    r2: float
    rmse: float
    num_steps: int
    a_interval: tuple[float, float] | None = None
    b_interval: tuple[float, float] | None = None
    alternatives: Mapping[str, float] | None = None  # R^2 of other curves with two parameters
    forecast: Forecast | None = None

    @property
    def ceiling(self) -> float:
        """Reward at zero entropy: b - a."""
        return self.b - self.a

    def predict(self, entropy: ArrayLike) -> Float[Array, "n"]:
        return -self.a * np.exp(np.asarray(entropy, dtype=float)) + self.b


@dataclass(frozen=True)
class Forecast:
    """What a fit on the first third says of the rest, in units of reward."""

    a: float
    b: float
    num_fitted: int
    rmse: float  # on the steps not fitted
    last_predicted: float
    last_actual: float


@dataclass(frozen=True)
class NoFit:
    """Why there is no law to report."""

    reason: str


def fit(entropy: ArrayLike, reward: ArrayLike) -> Law | NoFit:
    """Least squares of reward `[n]` on exp(entropy) `[n]`, nats.

    Raises: ValueError for lengths that differ.
    """
    h, r = np.asarray(entropy, dtype=float), np.asarray(reward, dtype=float)
    if h.shape != r.shape or h.ndim != 1:
        raise ValueError(f"entropy law: {h.shape} entropies but {r.shape} rewards")
    if not (np.isfinite(h).all() and np.isfinite(r).all()):
        return NoFit("an entropy or a reward is not a number")
    if len(np.unique(h)) < 3:
        return NoFit(f"{len(np.unique(h))} distinct entropies; a curve with two parameters needs at least 3")
    slope, b, r2, rmse = _line(np.exp(h), r)
    if slope >= 0:
        return NoFit(f"a = {-slope:.3g} is not positive: reward did not rise as entropy fell")
    return Law(-slope, b, r2, rmse, len(h))


def entropy_law(
    entropy: ArrayLike,
    reward: ArrayLike,
    step: ArrayLike | None = None,
    intervention: str | None = None,
    draws: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Law | NoFit:
    """The law over the steps of a run, with everything a reader needs to doubt it.

    `intervention` names a method of the run that acts on entropy: the law is claimed without any, so none is fitted.
    `step` `[n]`: the step of each point, default 0, 1, 2, ...
    """
    if intervention:
        return NoFit(f"{intervention} acts on entropy; the law is claimed only without such a method")
    law = fit(entropy, reward)
    if isinstance(law, NoFit):
        return law
    h, r = np.asarray(entropy, dtype=float), np.asarray(reward, dtype=float)
    steps = np.arange(len(h)) if step is None else np.asarray(step)
    pairs = _resampled(np.exp(h), r, draws, seed)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = np.quantile(pairs, tails, axis=0) if len(pairs) else None
    return Law(
        law.a,
        law.b,
        law.r2,
        law.rmse,
        law.num_steps,
        None if bounds is None else (float(bounds[0, 0]), float(bounds[1, 0])),
        None if bounds is None else (float(bounds[0, 1]), float(bounds[1, 1])),
        {"linear in H": _line(h, r)[2], "log(step)": _line(np.log1p(steps.astype(float)), r)[2]},
        forecast(h, r),
    )


def forecast(entropy: ArrayLike, reward: ArrayLike, share: float = 1 / 3) -> Forecast | None:
    """A fit on the first `share` of the steps, and how far the rest lies from it; None where that third has no fit."""
    h, r = np.asarray(entropy, dtype=float), np.asarray(reward, dtype=float)
    first = max(3, round(len(h) * share))
    law = fit(h[:first], r[:first]) if len(h) > first else NoFit("nothing is left to predict")
    if isinstance(law, NoFit):
        return None
    predicted = law.predict(h[first:])
    rmse = float(np.sqrt(np.mean((predicted - r[first:]) ** 2)))
    return Forecast(law.a, law.b, first, rmse, float(predicted[-1]), float(r[-1]))


def block_means(values: ArrayLike, width: int) -> Float[Array, "n"]:
    """Means over disjoint blocks of `width` steps: single steps are noisy and neighbours depend on each other."""
    v = np.asarray(values, dtype=float)
    whole = len(v) // width
    return v[: whole * width].reshape(whole, width).mean(axis=1)


def _line(x: Float[Array, "n"], y: Float[Array, "n"]) -> tuple[float, float, float, float]:
    """Slope, intercept, R^2 and RMSE of least squares."""
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean()) / spread) if spread > 0 else 0.0
    residual = y - y.mean() - slope * centred
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float(residual @ residual) / total if total > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean()), r2, float(np.sqrt(np.mean(residual**2)))


def _resampled(x: Float[Array, "n"], y: Float[Array, "n"], draws: int, seed: int) -> Float[Array, "b 2"]:
    """(a, b) of resamples of the points; those with fewer than three distinct points say nothing and are left out."""
    index = np.random.default_rng(seed).integers(0, len(x), (draws, len(x)))
    index = index[[len(np.unique(x[row])) >= 3 for row in index]]
    px, py = x[index], y[index]
    mx, my = px.mean(axis=1, keepdims=True), py.mean(axis=1, keepdims=True)
    slope = ((px - mx) * (py - my)).sum(axis=1) / ((px - mx) ** 2).sum(axis=1)
    return np.stack([-slope, my[:, 0] - slope * mx[:, 0]], axis=1)
