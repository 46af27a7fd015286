from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.ops.updates import mini_batches
from tests.toy import random_batch, step


@pytest.mark.parametrize(("count", "sizes"), [(1, [20]), (2, [12, 8]), (3, [8, 8, 4]), (5, [4] * 5), (9, [4] * 5)])
def test_whole_groups_once_each_as_evenly_as_they_go(count, sizes):
    batch = random_batch(groups=5)
    parts = list(mini_batches(batch, replace(step(), mini_batches=count)))
    assert [len(part) for part in parts] == sizes
    assert sorted(int(i) for part in parts for i in part.row) == list(range(20))
    assert sum(len(part.group.unique()) for part in parts) == 5
    for part in parts:
        assert torch.equal(part.tokens, batch.tokens[part.row])


def test_the_order_of_groups_is_drawn_from_the_step():
    batch = random_batch(groups=8)
    orders = [[part.group.unique().tolist() for part in mini_batches(batch, step(i))] for i in (0, 0, 1, 2)]
    assert orders[0] == orders[1]
    assert len({str(o) for o in orders}) == 3
