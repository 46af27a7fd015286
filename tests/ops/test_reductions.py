"""Golden numbers of specs, baselines, aggregation."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.ops.reductions import constant_length, named, sequence_mean, sequence_sum, token_mean
from tests.toy import F1_MASK, double, f1, step

LOSS = double([[1, 2, 3, 0], [4, 5, 6, 7], [8, 9, 0, 0], [1, 1, 1, 1]])
LAST_ROW_EMPTY = F1_MASK & (torch.arange(4) < 3)[:, None]
BY_FOUR = partial(constant_length, length=4)


@pytest.mark.parametrize(
    ("reduction", "all_rows", "three_rows"),
    [
        (token_mean, 3.769231, 5.0),
        (sequence_sum, 12.25, 15.0),
        (sequence_mean, 4.25, 5.333333),
        (BY_FOUR, 3.0625, 3.75),
    ],
)
def test_aggregation(reduction, all_rows, three_rows):
    for mask, expected in ((F1_MASK, all_rows), (LAST_ROW_EMPTY, three_rows)):
        total = (LOSS * reduction(f1(response_mask=mask), step())).sum()
        torch.testing.assert_close(float(total), expected, atol=1e-6, rtol=0)


def test_by_name():
    assert named("token") is token_mean
    assert named("sequence") is sequence_mean
    assert named("sum") is sequence_sum
    torch.testing.assert_close(named("constant", 4)(f1(), step()), BY_FOUR(f1(), step()))


@pytest.mark.parametrize("reduction", [token_mean, sequence_mean, sequence_sum, BY_FOUR])
def test_a_mini_batch_without_tokens_weighs_nothing(reduction):
    assert (reduction(f1(response_mask=torch.zeros_like(F1_MASK)), step()) == 0).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=4, max_size=4), st.permutations(range(4)))
def test_means_sum_to_one_and_follow_their_rollouts(rows, order):
    mask = torch.tensor(rows)
    mask[0, 0] = True
    for reduction in (token_mean, sequence_mean):
        weight = reduction(f1(response_mask=mask), step())
        torch.testing.assert_close(float(weight.sum()), 1.0, atol=1e-12, rtol=0)
        assert (weight[~mask] == 0).all()
        torch.testing.assert_close(reduction(f1(response_mask=mask[list(order)]), step()), weight[list(order)])
