"""The random-reward control flags a benchmark whose gain no reward explains."""

from __future__ import annotations

import pytest

from rlpipe.statistics.random_reward import Gain, flagged


@pytest.mark.parametrize(("lo", "expected"), [(0.01, True), (0.0, False), (-0.1, False), (None, False)])
def test_a_bound_at_zero_is_no_gain(lo: float | None, expected: bool) -> None:
    assert Gain("b", 0.1, lo, 0.2, 5).flagged is expected


def test_a_benchmark_is_flagged_once() -> None:
    found = [Gain("known", 0.3, 0.1, 0.5, 8), Gain("new", 0.0, -0.1, 0.1, 8), Gain("known", 0.2, 0.1, 0.3, 8)]
    assert flagged(found) == ["known"]
