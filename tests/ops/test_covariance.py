from __future__ import annotations

import torch

from rlpipe.ops.covariance import largest, smallest_draws, token_covariance
from tests.toy import F1_ADVANTAGE, F1_MASK, F1_NEW, double


def test_covariance_of_f1():
    expected = [
        [0.905325, 0.039941, 0.559172, 0],
        [-0.198521, 1.493787, -0.672367, -0.071598],
        [0.088018, 0.526095, 0, 0],
        [0.368787, -0.157367, 0.541864, -0.202367],
    ]
    covariance = token_covariance(F1_ADVANTAGE, F1_NEW, F1_MASK)
    torch.testing.assert_close(covariance, double(expected), atol=1e-6, rtol=0)


def test_largest_breaks_ties_by_draw():
    mask = torch.tensor([[True, True, True, False]])
    value, draw = double([[1, 1, 2, 9]]), double([[0.9, 0.1, 0.5, 0.0]])
    assert largest(value, mask, 2, draw).tolist() == [[False, True, True, False]]
    assert largest(value, mask, 0, draw).sum() == 0
    assert (largest(value, mask, 9, draw) == mask).all()


def test_smallest_draws_come_from_the_candidates():
    candidates = torch.tensor([[True, False, True, True]])
    draw = double([[0.5, 0.0, 0.2, 0.9]])
    assert smallest_draws(candidates, 2, draw).tolist() == [[True, False, True, False]]
    assert (smallest_draws(candidates, 9, draw) == candidates).all()
    assert smallest_draws(torch.zeros_like(candidates), 1, draw).sum() == 0
