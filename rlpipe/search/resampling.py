"""Resampling of N weighted particles: how uneven the weights are, and which particles survive.

Weights **p** `[N]` are probabilities; a scheme returns the indices `[n]` of the particles that are copied. Every scheme
copies particle j `n p_j` times in the mean; they differ in the variance of that count.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

Array = np.ndarray
Scheme = Literal["multinomial", "systematic", "residual", "stratified"]
SCORE_CLIP = 1e-7


def logit(r: ArrayLike) -> Float[Array, "N"]:
    """ln(r / (1 - r)) of scores in [0, 1], clipped to [1e-7, 1 - 1e-7] first."""
    clipped = np.clip(np.asarray(r, dtype=float), SCORE_CLIP, 1.0 - SCORE_CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def softmax(w: ArrayLike, temperature: float = 1.0) -> Float[Array, "N"]:
    """Probabilities proportional to exp(w / temperature).

    Raises: ValueError for no weights, a weight that is NaN or infinite, or a temperature that is not positive.
    """
    w = np.asarray(w, dtype=float)
    if w.ndim != 1 or not w.size or not np.isfinite(w).all():
        raise ValueError(f"softmax: needs finite weights [N >= 1], got {w.tolist()}; score NaN as 0.5 first")
    if not temperature > 0:
        raise ValueError(f"softmax: temperature = {temperature} must be > 0")
    e = np.exp((w - w.max()) / temperature)
    return e / e.sum()


def effective_sample_size(p: ArrayLike) -> float:
    """(sum p)^2 / sum p^2, in [1, N]; `p` may be unnormalised."""
    p = _probabilities(p)
    return float(1.0 / np.square(p).sum())


def normalised_entropy(p: ArrayLike) -> float:
    """Entropy of `p` as a share of ln N, in [0, 1]; 1 for a single particle.

    Differs: its_hub divides by ln N only for N > 2; here for all N >= 2.
    """
    p = _probabilities(p)
    if len(p) == 1:
        return 1.0
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum() / np.log(len(p)))


def multinomial(p: ArrayLike, u: ArrayLike) -> Int[Array, "n"]:
    """One independent draw per uniform number of `u` `[n]`; a count has variance n p (1 - p)."""
    return _at(_probabilities(p), np.asarray(u, dtype=float))


def systematic(p: ArrayLike, n: int, u: float) -> Int[Array, "n"]:
    """The particles at positions (i + u) / n: each count is n p_j rounded down or up. `u` is one uniform number."""
    return _at(_probabilities(p), (np.arange(n) + u) / n)


def stratified(p: ArrayLike, u: ArrayLike) -> Int[Array, "n"]:
    """The particles at positions (i + u_i) / n, one uniform number in each stratum."""
    u = np.asarray(u, dtype=float)
    return _at(_probabilities(p), (np.arange(len(u)) + u) / len(u))


def residual(p: ArrayLike, n: int, u: float) -> Int[Array, "n"]:
    """floor(n p_j) copies of each particle, then the rest by `systematic` on what the rounding left."""
    p = _probabilities(p)
    # A product such as 10 * 0.1 may fall short of its integer by rounding.
    copies = np.floor(n * p + 1e-12).astype(int)
    rest = n - int(copies.sum())
    sure = np.repeat(np.arange(len(p)), copies)
    if rest == 0:
        return sure
    return np.r_[sure, systematic(np.maximum(n * p - copies, 0.0), rest, u)]


def resample(p: ArrayLike, n: int, scheme: str, rng: np.random.Generator) -> Int[Array, "n"]:
    """Indices of `n` survivors, drawn by the named scheme.

    Raises: ValueError for an unknown scheme, n < 1, or weights that are not probabilities.
    Source: Puri et al., arXiv:2502.01618 (multinomial); its_hub `particle_gibbs` (systematic).
    Differs: the last cumulative sum is set to 1, without which rounding may point past the last particle.
    """
    if n < 1:
        raise ValueError(f"resample: n = {n} must be >= 1")
    if scheme == "multinomial":
        return multinomial(p, rng.random(n))
    if scheme == "stratified":
        return stratified(p, rng.random(n))
    if scheme == "systematic":
        return systematic(p, n, float(rng.random()))
    if scheme == "residual":
        return residual(p, n, float(rng.random()))
    raise ValueError(f"resample: scheme = {scheme!r} is not one of multinomial, systematic, residual, stratified")


def _probabilities(p: ArrayLike) -> Float[Array, "N"]:
    p = np.asarray(p, dtype=float)
    if p.ndim != 1 or not p.size or not np.isfinite(p).all() or (p < 0).any() or p.sum() <= 0:
        raise ValueError(f"resampling: weights {p.tolist()} must be finite, >= 0 and not all 0")
    return p / p.sum()


def _at(p: Float[Array, "N"], positions: Float[Array, "n"]) -> Int[Array, "n"]:
    """The first j with position < p_0 + ... + p_j, for each position."""
    last = int(np.flatnonzero(p)[-1])
    cumulative = np.cumsum(p)
    cumulative[last:] = 1.0
    return np.minimum(np.searchsorted(cumulative, positions, side="right"), last)
