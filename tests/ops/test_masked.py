from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.ops.masked import masked_mean, row_mean, whiten
from tests.toy import F1_MASK, F1_NEW, leaf


def test_nan_outside_the_mask_reaches_neither_value_nor_gradient():
    x = leaf(torch.where(F1_MASK, F1_NEW, torch.nan))
    total = masked_mean(x, F1_MASK) + row_mean(x, F1_MASK).sum() + whiten(x, F1_MASK).square().sum()
    total.backward()
    assert total.isfinite()
    assert x.grad.isfinite().all()
    assert (x.grad[~F1_MASK] == 0).all()


def test_mean_of_f1():
    # README section 3: mean log-probability -0.834615 over 13 tokens.
    torch.testing.assert_close(float(masked_mean(F1_NEW, F1_MASK)), -0.834615, atol=1e-6, rtol=0)


def test_nothing_selected_is_zero():
    nothing = torch.zeros_like(F1_MASK)
    assert float(masked_mean(F1_NEW, nothing)) == 0
    assert (row_mean(F1_NEW, nothing) == 0).all()
    assert (whiten(F1_NEW, nothing) == 0).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 6))
def test_whitened_has_mean_zero_and_variance_one_in_any_order(seed, rows, width):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, width, generator=rng, dtype=torch.float64) * 3 + 1
    mask = torch.rand(rows, width, generator=rng) < 0.8
    mask[0, :2] = True
    white = whiten(x, mask)
    torch.testing.assert_close(float(white[mask].mean()), 0.0, atol=1e-9, rtol=0)
    torch.testing.assert_close(float(white[mask].var()), 1.0, atol=1e-4, rtol=0)
    order = torch.randperm(rows, generator=rng)
    torch.testing.assert_close(whiten(x[order], mask[order]), white[order])
