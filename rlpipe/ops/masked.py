"""Sums, means and whitening over the tokens a mask selects; what lies outside it never matters, not even a NaN."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def masked(x: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """`x` where the mask is True, 0 elsewhere; no gradient and no NaN comes from elsewhere."""
    return torch.where(mask, x, torch.zeros_like(x))


def masked_mean(x: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over all selected tokens, in the unit of `x`; 0 where there are none.

    In float64, so that the order of rollouts does not show in the last digits of a threshold.
    """
    return masked(x, mask).double().sum() / mask.sum().double().clamp(min=1)


def row_mean(x: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, " B"]:
    """Mean over each row's selected tokens, in the unit of `x`; 0 for a row without any."""
    return masked(x, mask).sum(-1) / mask.sum(-1).clamp(min=1)


def whiten(x: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], epsilon: float = 1e-8) -> Float[Tensor, "B T"]:
    """`x` shifted to mean 0 and scaled to unbiased variance 1 over the selected tokens; 0 elsewhere.

    Source: REINFORCE++, arXiv:2501.03262: (x - mean) / sqrt(var + 1e-8).
    """
    mean = masked_mean(x, mask)
    count = mask.sum().double()
    centred = masked(x.double() - mean, mask)
    variance = centred.square().sum() / (count - 1).clamp(min=1)
    return (centred * torch.rsqrt(variance + epsilon)).to(x.dtype)
