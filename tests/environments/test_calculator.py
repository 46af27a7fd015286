"""The calculator: values, what it cannot read, and when it stays silent."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.environments.calculator import UNREADABLE, calculator, value
from rlpipe.types import Prompt

SMALL = st.integers(-999, 999)


@given(SMALL, st.sampled_from("+-*"), SMALL, st.integers(2, 97))
def test_values_are_exact_and_reduced_where_the_prompt_says_so(a, op, b, modulus):
    right = {"+": a + b, "-": a - b, "*": a * b}[op]
    assert value(f"so {a} {op} {b} =", None) == str(right)
    assert value(f"{a}{op}{b}=", modulus) == str(right % modulus) or op == "-" or b < 0 or a < 0


@given(SMALL, SMALL.filter(bool))
def test_division_is_exact_without_a_modulus_only(a, b):
    assert value(f"{a} / {b} =", None) == str(Fraction(a, b))
    assert value(f"{a} / {b} =", 5) == UNREADABLE


@pytest.mark.parametrize(
    "text", ["=", "3 + =", "3 + 4", "x + 1 =", "4 / 0 =", "9" * 50 + " + 1 =", "3 ^ 2 =", "1.5 + 2 ="]
)
def test_what_cannot_be_read_is_said_to_be_so(text):
    assert value(text, None) == UNREADABLE


def test_a_turn_without_a_call_ends_the_conversation():
    prompt = Prompt("p", ({"role": "user", "content": "eval mod5 3 + 4"},), "2", "rlpipe/expression")
    tool = calculator()
    state = tool.start(prompt)
    assert state == 5
    assert tool.reply(state, "3 + 4 =") == (5, [{"role": "inline", "content": " 2"}])
    assert tool.reply(state, "answer 2") == (5, None)
    assert tool.start(Prompt("p", ({"role": "user", "content": "what is 3 + 4"},), "7", "x")) is None
