from __future__ import annotations

import math

import torch

from rlpipe.ops.ratios import log_ratio, token_ratio
from tests.toy import F1_MASK, F1_NEW, F1_OLD, double, leaf


def test_ratio_of_f1():
    expected = [
        [1.051271, 1.491825, 0.951229, 1],
        [0.904837, 0.548812, 1.010050, 0.951229],
        [1.221403, 0.990050, 1, 1],
        [0.670320, 1.020201, 1.822119, 0.951229],
    ]
    torch.testing.assert_close(token_ratio(F1_NEW, F1_OLD, F1_MASK), double(expected), atol=1e-6, rtol=0)


def test_sixty_nats_do_not_overflow():
    mask = torch.ones(1, 2, dtype=torch.bool)
    ratio = token_ratio(double([[0, -70]]), double([[-60, 0]]), mask)
    torch.testing.assert_close(ratio, double([[math.exp(20), math.exp(-20)]]))


def test_padding_never_matters():
    new = leaf(torch.where(F1_MASK, F1_NEW, torch.nan))
    ratio = token_ratio(new, torch.where(F1_MASK, F1_OLD, torch.inf), F1_MASK)
    ratio.sum().backward()
    assert (ratio[~F1_MASK] == 1).all()
    assert new.grad.isfinite().all()
    assert (log_ratio(F1_NEW, F1_OLD, F1_MASK)[~F1_MASK] == 0).all()
