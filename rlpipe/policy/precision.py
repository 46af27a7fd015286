"""Which numbers a policy computes in. Weights that are trained are float32 always: in bfloat16 small updates vanish.

A policy that was given as bfloat16 is loaded with float32 weights, computes in bfloat16, and says so in its config.json,
so that training, evaluation and whoever loads it here compute alike.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

ARITHMETIC = "rlpipe_arithmetic"  # key of config.json


def arithmetic(model: nn.Module) -> torch.dtype:
    """What the model computes in."""
    named = getattr(model.config, ARITHMETIC, None)
    return getattr(torch, named) if named else next(model.parameters()).dtype


def computing(model: nn.Module) -> AbstractContextManager[Any]:
    """The context in which the model's forward passes run."""
    weight = next(model.parameters())
    return torch.autocast(weight.device.type, arithmetic(model), enabled=arithmetic(model) != weight.dtype)


def with_master_weights(model: nn.Module, dtype: str) -> nn.Module:
    """The model with float32 weights, which computes in `dtype`."""
    model.float()
    if dtype != "float32":
        setattr(model.config, ARITHMETIC, dtype)
    return model


def refuse_low_precision(model: nn.Module) -> None:
    """Raises: ValueError if weights to be trained are not float32 (or wider)."""
    for name, weight in model.named_parameters():
        if weight.requires_grad and weight.is_floating_point() and weight.dtype.itemsize < 4:
            raise ValueError(
                f"weight {name} is {str(weight.dtype).removeprefix('torch.')}, in which most updates of a small learning "
                "rate vanish; start from a policy of the stage sft (sft.steps: 0 keeps it as it is), whose weights are float32"
            )
