from __future__ import annotations

import pytest

from rlpipe.ops.schedules import Linear, at


def test_a_number_is_constant():
    assert at(0.3, 0) == at(0.3, 10**6) == 0.3


@pytest.mark.parametrize(("index", "expected"), [(0, 1.0), (1, 0.75), (3, 0.25), (4, 0.0), (99, 0.0)])
def test_linear_reaches_its_end_and_stays(index, expected):
    assert at(Linear(1.0, 0.0, 4), index) == expected
