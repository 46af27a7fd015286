"""Logit rules for tests."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ban:
    """A token is not drawn before place `until` of a response."""

    token: int
    until: int = 10**6
    name: str = "ban"

    def __call__(self, logits: Tensor, position: Tensor) -> Tensor:
        banned = (position < self.until)[:, None] & (torch.arange(logits.shape[-1]) == self.token)
        return logits.masked_fill(banned, -torch.inf)
