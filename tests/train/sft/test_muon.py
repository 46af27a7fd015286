"""Muon in float32: torch's, but for the precision of its iterations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rlpipe.train.sft.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(6, 6), (4, 12), (12, 4)])
def test_singular_values_come_near_one_and_the_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalised(matrix) @ right.T
    assert values.max() / values.min() > 1.5
    assert ((found.diagonal() > 0.6) & (found.diagonal() < 1.3)).all()
    assert float((found - torch.diag(found.diagonal())).abs().max()) < 1e-4


@pytest.mark.parametrize("shape", [(8, 8), (4, 16), (16, 4)])
def test_the_steps_are_torchs_to_bfloat16(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    ours, theirs = (nn.Parameter(torch.ones(shape)) for _ in range(2))
    settings = {"lr": 0.05, "momentum": 0.95, "weight_decay": 0.1}
    pair = (Muon([ours], **settings), torch.optim.Muon([theirs], **settings))
    for _ in range(4):
        gradient = torch.randn(shape)
        for p, optimizer in zip((ours, theirs), pair, strict=True):
            p.grad = gradient.clone()
            optimizer.step()
    moved = float((theirs - 1).detach().abs().max())
    torch.testing.assert_close(ours, theirs, atol=0.04 * moved, rtol=0)
    assert set(pair[0].state_dict()["state"][0]) == set(pair[1].state_dict()["state"][0])
