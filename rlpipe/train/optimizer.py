"""The optimizer of the RL stage, and one update of it."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from rlpipe.engine.processes import sum_over_processes
from rlpipe.train.settings import TrainSettings


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW over all parameters."""
    return torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay
    )


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Rising over the warm-up steps, then constant."""
    return settings.learning_rate * min(1.0, (step + 1) / max(settings.warmup_steps, 1))


def update(model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> float:
    """One optimizer update from gradients summed over the processes, their norm held below `clip`; the norm before that.

    Raises: FloatingPointError if the norm is not finite; no weight has been changed then.
    """
    for p in model.parameters():
        if p.requires_grad and p.grad is None:
            p.grad = torch.zeros_like(p)
        if p.grad is not None and not isinstance(p.grad, DTensor):  # shards are summed as they are made
            sum_over_processes(p.grad)
    total = torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    norm = float(total.full_tensor() if isinstance(total, DTensor) else total)
    if not math.isfinite(norm):
        raise FloatingPointError(f"the norm of the gradient is {norm}")
    optimizer.step()
    return norm
