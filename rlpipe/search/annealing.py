"""Entropic annealing: how far the weights of a particle filter are flattened early on, and look-ahead modulation.

Step **t** counts from 1; **g** = t / T_max is progress, **e** = ESS / N the evenness of the weights.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from rlpipe.search.resampling import effective_sample_size, logit, normalised_entropy

Array = np.ndarray
Annealing = Literal["ess", "entropy", "base"]
Lookahead = Literal["apf", "mean", "next"]
LOOKAHEAD_LABEL = "lam_reconstructed"


def ess_temperature(evenness: float, progress: float) -> float:
    """max(1, (1 - g) / e). Source: arXiv:2510.05825; its_hub `particle_gibbs`."""
    return max(1.0, (1.0 - progress) / evenness)


def entropy_temperature(entropy: float, progress: float) -> float:
    """max(1, 1 / beta), beta = H + (1 - H) g, with H the normalised entropy. Source: its_hub `particle_gibbs`."""
    return max(1.0, 1.0 / (entropy + (1.0 - entropy) * progress))


def base_temperature(v_max: float, progress: float) -> float:
    """max(1, v_max - g). Source: its_hub `particle_gibbs`."""
    return max(1.0, v_max - progress)


def annealing_temperature(
    p: ArrayLike,
    step: int,
    max_steps: int,
    mode: str = "ess",
    ess_threshold: float = 0.5,
    early_phase: float = 0.5,
    v_max: float = 2.0,
) -> float:
    """What the log-weights are divided by before resampling; 1 unless e < `ess_threshold` and g < `early_phase`.

    `p` `[N]` are the untempered weights after step `step`. With `max_steps` far above the real number of steps the early
    phase never ends: take it from data.

    Raises: ValueError for an unknown mode or a step below 1.
    Source: arXiv:2510.05825 (entropic annealing); defaults of its_hub.
    """
    if step < 1 or max_steps < 1:
        raise ValueError(f"annealing: step = {step} and max_steps = {max_steps} must be >= 1")
    count, progress = np.asarray(p).size, step / max_steps
    evenness = effective_sample_size(p) / count
    if count <= 1 or evenness >= ess_threshold or progress >= early_phase:
        return 1.0
    if mode == "ess":
        return ess_temperature(evenness, progress)
    if mode == "entropy":
        return entropy_temperature(normalised_entropy(p), progress)
    if mode == "base":
        return base_temperature(v_max, progress)
    raise ValueError(f"annealing: mode = {mode!r} is not one of ess, entropy, base")


def lookahead_weights(
    w: ArrayLike, next_score: ArrayLike, mode: str = "apf", strength: float = 1.0
) -> Float[Array, "N"]:
    """Log-weights to resample by, once one provisional step of every particle has the score r' `[N]`.

    apf: w + strength * logit(r'); mean: (w + logit(r')) / 2; next: logit(r'). A stopped particle has r' = r.

    Raises: ValueError for an unknown mode or lengths that differ.
    Source: arXiv:2510.05825, look-ahead modulation, which gives the idea of an auxiliary particle filter.
    Differs: the formula is not published; this is a reconstruction, and results carry `lam_reconstructed`.
    """
    w, ahead = np.asarray(w, dtype=float), logit(next_score)
    if w.shape != ahead.shape:
        raise ValueError(f"look-ahead: {w.shape} weights but {ahead.shape} scores")
    if mode == "apf":
        return w + strength * ahead
    if mode == "mean":
        return 0.5 * (w + ahead)
    if mode == "next":
        return ahead
    raise ValueError(f"look-ahead: mode = {mode!r} is not one of apf, mean, next")
