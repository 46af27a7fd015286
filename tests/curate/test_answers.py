"""What a file holds for an answer, as a reference; and when two references are one."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.curate.files.answers import agree, is_placeholder, reference, spelling
from rlpipe.curate.files.records import Place, RowError, Unreadable
from rlpipe.curate.files.tables.patterns import found, last_boxed
from rlpipe.verifiers.canonical import parse

PLACE = Place(Path("x.jsonl"), 3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1/2 ", "1/2 "),
        (4, "4"),
        (18.0, "18"),
        (0.1, "0.1"),
        (1e-07, "0.0000001"),
        (1.5e22, "15000000000000000000000"),
        (-0.0, "0"),
        (100.0, "100"),
        (Decimal("2.50"), "2.5"),
        (Decimal("1E+3"), "1000"),
        (True, "true"),
        (["4"], "4"),
        ([None, 4.0], "4"),
        (["1/2", "0.5"], "1/2"),
        ([["7"]], "7"),
        ({"answer": "0", "unit": "cm"}, "0 cm"),
        ({"value": 5.0, "unit": None}, "5"),
        ({"answer": 20, "unit": "%"}, "20 %"),
        ({"answer": ["3"]}, "3"),
        (None, None),
        (" ", None),
        (float("nan"), None),
        ([], None),
        ([None, ""], None),
        ({"answer": None, "unit": ""}, None),
    ],
)
def test_values_of_any_type_become_references(value: Any, text: str | None) -> None:
    assert reference(value, "a", PLACE) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.inf, "row 3: column 'a' is Decimal.'Infinity'.: not a finite number"),
        (
            ["1", "2"],
            r"column 'a' is \['1', '2'\]: several answers, and it is not said whether all count or any; name the one",
        ),
        ({"answer": "1", "value": "2"}, "an object, of which it is not clear what the answer is"),
        ({"answer": "1", "source": "x"}, "an object, of which it is not clear"),
        ({"unit": "cm"}, "an object, of which it is not clear"),
        ({"answer": "1", "unit": "§§"}, "'§§' is no unit that is known"),
        ({"answer": {"x": 1}}, "column 'a.answer' is .*not clear"),
        (Unreadable("timestamp[ns]"), r"column 'a' is Unreadable\(type='timestamp\[ns\]'\): no text or number"),
    ],
)
def test_what_may_be_several_answers_or_none_is_refused(value: Any, message: str) -> None:
    with pytest.raises(RowError, match=message):
        reference(value, "a", PLACE)


@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=5)
)
def test_numbers_keep_their_value(value: float | int | Decimal) -> None:
    text = reference(value, "a", PLACE)
    assert text is not None
    # The shortest decimal that is this float stands for it, as everywhere in Python.
    assert Fraction(text) == Fraction(repr(value) if isinstance(value, float) else value)
    assert "e" not in text.lower()


def test_words_that_stand_for_no_answer() -> None:
    assert all(map(is_placeholder, ("proof", " Proof ", "notfound", "Not found", "N/A", "nan")))
    assert not any(map(is_placeholder, ("none", "no solution", "0", "proof by induction", "no", "undefined")))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("18", "18.0", True),
        (r"\frac{1}{2}", "0.5", True),
        ("1,234", "1234", True),
        ("x+1", "1+x", True),
        ("5", "5 cm", True),
        ("5 cm", "5 kg", False),
        ("50%", "0.5", False),
        ("yes", "Yes", True),
        ("3", "4", False),
    ],
)
def test_references_agree_as_their_verifier_sees_them(one: str, other: str, same: bool) -> None:
    assert agree("m", [one, other]) == agree("m", [other, one]) == same
    assert agree("m", [one]), "one answer agrees with itself"


def test_tests_of_programs_are_compared_as_they_are() -> None:
    assert not agree("code/x", ["1", "1.0"])
    assert spelling("code/x", "1.0") == "1.0"
    assert spelling("m", "1.0") == "1"


@given(st.fractions(max_denominator=50))
def test_a_fraction_has_one_spelling(value: Fraction) -> None:
    tall = rf"{'-' * (value < 0)}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    assert spelling("m", tall) == spelling("m", f"{value.numerator}/{value.denominator}") == parse(str(value)).canonical


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed{1} then \boxed{a_{2}+\{3\}}", r"a_{2}+\{3\}"),
        (r"\boxed{1} then \boxed{2", "1"),
        ("nothing", None),
        (r"Hence $\boxed 2$.", "2"),
        (r"Hence $\boxed2$.", "2"),
        (r"is \boxed -3.", "-3"),
        (r"\[\boxed 1,200\]", "1,200"),
        (r"$\boxed\pi$", r"\pi"),
        (r"$\boxed 2 + 3$", None),
        (r"$\boxed{1}$ or $\boxed 2 + 3$", "1"),
        (r"Hence \fbox{4}.", "4"),
        (r"so $\framebox{204}$ minutes", "204"),
        (r"\boxed {5}", "5"),
        (r"\boxedness{5}", None),
        (r"\boxed{}", ""),
    ],
)
def test_the_last_box(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


def test_other_patterns() -> None:
    assert found("so 3\n#### 1,004 \n", "####") == "1004"
    assert found("so 3", "####") is None
    assert found("#### 1\n#### 2", "####") == "2"
    assert found("A: 1, A: 2", r"A: (\d)") == "2"
    assert found("9 (apples)", r"\d+") == "9"
    assert found("a", r"a(b)?") == ""
    assert found("x", r"\d+") is None
