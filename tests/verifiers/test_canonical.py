"""Canonical forms: idempotent on any text, and the same for everything that is the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.verifiers.answer import AnswerSpec, verify_answer
from rlpipe.verifiers.canonical import Value, clean, parse
from rlpipe.verifiers.compare import Rules, agree


def canonical(text: str) -> str:
    return parse(text).canonical


EXACT = AnswerSpec(symbolic=False)


def never(one: Value, other: Value) -> None:
    """What is not known without the worker."""
    return


PIECES = [
    *"0123456789xyA.,+-*/^%=()[]{}$ \\",
    "\\frac",
    "\\dfrac{1}{2}",
    "\\text{",
    "\\left(",
    "\\right)",
    "\\!",
    "\\{",
]
PIECES += [
    "\\}",
    " cm",
    "cm^2",
    "\\circ",
    "°",
    "½",
    "²",
    "−",
    "{,}",
    "1,234",
    "0.50",
    "\\%",
    "percent",
    "\\$",
    "\\,",
    "º",
]
PIECES += [
    r"\pm",
    r"\cup",
    "(C)",
    "C) ",
    "[0,1)",
    "]0,1[",
    r"\le ",
    r"\infty",
    "x=",
    "AB =",
    "P(A)=",
    "&",
    r"\\",
    "seven",
    "π",
]
PIECES += [
    r"\begin{pmatrix}1\\2\end{pmatrix}",
    "2024-01-05",
    "7:00",
    "10-20",
    " a.m.",
    "1010_2",
    r"\overline{3}",
    "...",
    "√",
]
PIECES += [
    r"\text{ m/s}",
    r"\mathrm{cm}",
    "^2",
    " or ",
    " and ",
    "Answer: ",
    ". I hope it is correct",
    "<|im_end|>",
    "\u200b",
]
PIECES += [
    "∅",
    "Even",
    '"',
    "**",
    r"\color{red}",
    "{5}",
    r"\in ",
    r"\mathbb{R}",
    r"\langle 1,2\rangle",
    "^T",
    "e-05",
    "10^",
    "€",
]
MATHS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def equal(one: str, other: str) -> bool:
    return verify_answer(f"\\boxed{{{one}}}", other, EXACT).status == "ok"


@settings(max_examples=150, deadline=None)
@given(st.one_of(MATHS, st.text(max_size=40)), st.text(max_size=20))
def test_equality_is_reflexive_and_nothing_raises(text: str, other: str) -> None:
    assert agree(parse(text), parse(text), Rules(), never) is True
    assert agree(parse(text), parse(other), Rules(), never) in (True, False, None)


WRITTEN = [
    ["5", "5.0", "x=5", r"5\text{ cm}"],
    ["[0,1)", r"0\le x<1", "[0;1["],
    ["1,2", r"\{2,1\}", "2 and 1"],
]
WRITTEN += [["3:30 pm", "15:30"], ["1010_2", "1010₂"], ["even", "Even"], [r"\emptyset", "no solution"], ["C", "(C)"]]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_writings_of_one_answer_are_equal_both_ways_and_to_no_other(data: st.DataObject) -> None:
    mine, theirs = (data.draw(st.sampled_from(WRITTEN)) for _ in range(2))
    one, other = data.draw(st.sampled_from(mine)), data.draw(st.sampled_from(theirs))
    assert equal(one, other) == equal(other, one) == (mine is theirs)


@settings(max_examples=600, deadline=None)
@given(st.one_of(MATHS, st.text(max_size=40)))
def test_idempotent(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert canonical(canonical(text)) == canonical(text)


@settings(max_examples=60, deadline=None)
@given(st.permutations(["1", "0.5", "x+1", "\\frac12", "(2,3)", "-7"]))
def test_a_bare_list_has_no_order(items: list[str]) -> None:
    assert canonical(", ".join(items)) == canonical("\\{" + ",".join(items) + "\\}") == "{(2,3),-7,1,1/2,1/2,x+1}"


def wrap(x: str, how: int) -> str:
    return [f"so \\boxed{{{x}}}.", f"work\n#### {x}", f"**Answer:** {x}", f"<think>no</think>\\boxed{{ ${x}$ }}"][how]


INTEGERS = st.integers(-(10**30), 10**30).map(str)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda d: f"{d:f}")
FRACTIONS = st.fractions().map(lambda f: f"\\frac{{{f.numerator}}}{{{f.denominator}}}")
NUMBERS = st.one_of(INTEGERS, DECIMALS, FRACTIONS)
LISTS = st.lists(NUMBERS, min_size=2, max_size=5).map(", ".join)
ORDERED = st.tuples(st.sampled_from(["()", "[]", "(]", "[)"]), LISTS).map(lambda p: f"{p[0][0]}{p[1]}{p[0][1]}")


@settings(max_examples=120, deadline=None)
@given(st.one_of(NUMBERS, LISTS, ORDERED), st.integers(0, 3))
def test_an_answer_is_equal_to_itself(x: str, how: int) -> None:
    assert verify_answer(wrap(x, how), x, EXACT).status == "ok"


@settings(max_examples=100, deadline=None)
@given(st.fractions(), st.fractions())
def test_numbers_are_equal_exactly_when_they_are(a: Fraction, b: Fraction) -> None:
    verdict = verify_answer(f"#### {a}", str(b), EXACT)
    assert verdict.status == ("ok" if a == b else "wrong")


@settings(max_examples=100, deadline=None)
@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_written_forms_of_a_decimal(digits: int, places: int) -> None:
    number = Fraction(digits, 10**places)
    sign, whole = "-" if number < 0 else "", abs(digits) // 10**places
    part = f"{abs(digits) % 10**places:0{places}d}" if places else ""
    for written in (
        f"{sign}{whole}.{part}",
        f"{sign}{whole:,}.{part}00",
        f"${sign}{whole}.{part}$",
        f"{sign}0{whole}.{part}0",
    ):
        assert canonical(written) == str(number), written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-0.0", "0"),
        ("1\\frac{2}{2}", "1\\frac{2}{2}"),
        ("-1\\frac{1}{2}", "-3/2"),
        ("+5", "5"),
        ("\\frac{-4}{-6}", "2/3"),
        ("-\\dfrac{1}{2}", "-1/2"),
        ("\\frac 1 2", "1/2"),
        ("1,2345", "{1,2345}"),
        ("\\{3,1,2\\}", "{1,2,3}"),
        ("(1,(2,3))", "(1,(2,3))"),
        ("{{5}}", "5"),
        ("x\\in\\{1,2\\}", "{1,2}"),
        ("y = 3.", "3"),
        ("f(x)=3", "3"),
        ("5 cm", "5"),
        ("5m", "5m"),
        ("1/0", "1/0"),
        ("", ""),
        (".", ""),
        ("5²", "5^{2}"),
        ("x₂", "x_{2}"),
        ("3×4", "3\\times 4"),
    ],
)
def test_by_hand(text: str, expected: str) -> None:
    assert canonical(text) == expected
