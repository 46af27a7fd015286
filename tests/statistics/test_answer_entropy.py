"""Answer and token entropy: the worked example, abstentions, order."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.statistics.answer_entropy import answer_entropy

ANSWERS = ["4"] * 5 + ["7"] * 2 + [None]


def test_answer_entropy_has_the_worked_values() -> None:
    found = answer_entropy(ANSWERS)
    assert found is not None
    assert found.nats == pytest.approx(0.900256, abs=1e-6)
    assert found.miller_madow == pytest.approx(1.025256, abs=1e-6)
    assert found.effective == pytest.approx(2.460233, abs=1e-6)


def test_valid_answers_only() -> None:
    found = answer_entropy(ANSWERS, valid_only=True)
    assert found is not None
    assert found.nats == pytest.approx(0.598270, abs=1e-6)
    assert answer_entropy([None], valid_only=True) is None
    assert answer_entropy([]) is None


def test_one_sample_has_no_entropy() -> None:
    found = answer_entropy(["4"])
    assert found is not None
    assert found.nats == 0.0


def test_no_answer_is_not_the_answer_na() -> None:
    found = answer_entropy(["NA", None])
    assert found is not None
    assert found.nats == pytest.approx(log(2))


@given(st.permutations(ANSWERS))
def test_order_does_not_matter_to_the_last_bit(answers: list[str | None]) -> None:
    assert answer_entropy(answers) == answer_entropy(ANSWERS)


def test_tilting_towards_reward_can_raise_entropy() -> None:
    """One frequent wrong answer and ten rare right ones: no law says that entropy falls."""
    before = np.array([0.9] + [0.01] * 10)
    after = before * np.exp([0.0] + [1.0] * 10)
    after /= after.sum()
    entropies = [float(-(p * np.log(p)).sum()) for p in (before, after)]
    assert entropies == pytest.approx([0.555341, 1.075774], abs=1e-6)
