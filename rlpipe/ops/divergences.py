"""Estimators of KL(policy || reference) from the sampled token alone, per token."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

Estimator = Literal["k1", "k2", "k3", "k3+", "abs"]


def divergence(
    logprob: Float[Tensor, "B T"], reference: Float[Tensor, "B T"], estimator: Estimator
) -> Float[Tensor, "B T"]:
    """With `d = reference - logprob`: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1, abs = |d|; nats (k2: nats squared).

    Expected gradients on-policy: k1 none, k2 that of KL(policy || reference), k3 that of KL(reference || policy). `k3+`
    has the value of k3 and the gradient of k2. In k3, d is kept within [-20, 20] and the result within [-10, 10].
    Source: Schulman, Approximating KL Divergence, 2020 (k1, k2, k3); k3+ and both limits as in verl.
    """
    d = reference - logprob
    if estimator == "k1":
        return -d
    if estimator == "abs":
        return d.abs()
    k2 = d.square() / 2
    if estimator == "k2":
        return k2
    clamped = d.clamp(-20, 20)
    k3 = (clamped.exp() - clamped - 1).clamp(-10, 10)
    return k3 if estimator == "k3" else k2 + (k3 - k2).detach()
