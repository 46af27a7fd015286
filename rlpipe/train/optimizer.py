"""The optimizer of the RL stage, and one update of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rlpipe.train.settings import TrainSettings


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW over all parameters."""
    return torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay
    )


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Rising over the warm-up steps, then constant."""
    return settings.learning_rate * min(1.0, (step + 1) / max(settings.warmup_steps, 1))


def update(
    model: nn.Module, optimizer: torch.optim.Optimizer, clip: float, all_reduce: Callable[[Tensor], Tensor]
) -> float:
    """One optimizer update from gradients summed over ranks, their norm held below `clip`; the norm before that.

    Raises: FloatingPointError if the norm is not finite; no weight has been changed then.
    """
    for p in model.parameters():
        if p.requires_grad:
            p.grad = all_reduce(p.grad if p.grad is not None else torch.zeros_like(p))
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), clip))
    if not math.isfinite(norm):
        raise FloatingPointError(f"the norm of the gradient is {norm}")
    optimizer.step()
    return norm
