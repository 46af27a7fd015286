from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.tasks import expression
from rlpipe.tasks.expression import FOUR_STYLES, LEVELS, Level, evaluate
from tests.tasks.asked import prompt_of


@pytest.mark.parametrize(
    ("text", "left", "precedence"),
    [("3 + 4 * 2", 4, 1), ("1 - 2 - 3", 1, 1), ("2 * 3 + 4 * 4", 0, 2), ("4 - 2 * 3", 1, 3), ("0", 0, 0)],
)
def test_values_mod_five(text: str, left: int, precedence: int) -> None:
    assert evaluate(text.split(), 5, precedence=False) == left
    assert evaluate(text.split(), 5, precedence=True) == precedence


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["prec2", "prec4", "prec7", "prec4x2"]))
def test_precedence_is_python_s(seed: int, level: str) -> None:
    problem = expression.generate(random.Random(seed), level)
    texts = problem.text.removeprefix("calc mod5 ").split(" and ")
    assert [eval(t) % 5 for t in texts] == [evaluate(t.split(), 5, precedence=True) for t in texts]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["e2", "e5", "e9", "e3x2", "e6p7"]))
def test_left_to_right_is_a_fold(seed: int, level: str) -> None:
    problem = expression.generate(random.Random(seed), level)
    _, word, *items = problem.text.split()
    modulus = int(word[3:])
    for text in " ".join(items).split(" and "):
        value, *rest = text.split()
        for op, operand in zip(rest[0::2], rest[1::2], strict=True):
            value = str(eval(f"{value} {op} {operand}"))
        assert int(value) % modulus == evaluate(text.split(), modulus, precedence=False)


def step_is_true(step: str, modulus: int) -> bool:
    left, right = step.split(" = ")
    value, *rest = left.split()
    for op, operand in zip(rest[0::2], rest[1::2], strict=True):
        value = str(eval(f"{value} {op} {operand}"))
    return int(value) % modulus == int(right)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(sorted(LEVELS)))
def test_the_work_shown_is_true(seed: int, level: str) -> None:
    rng = random.Random(seed)
    problem = expression.generate(rng, level)
    for part in expression.demonstrate(problem, rng).split(" and "):
        work = part.split("answer")[0].strip()
        assert all(step_is_true(step, LEVELS[level].modulus) for step in work.split(" ; ") if "=" in step)


def test_styles() -> None:
    problem = expression.Problem(
        "eval mod5 3 + 4 * 2",
        '{"answers":[4],"expressions":["3 + 4 * 2"],"modulus":5,"precedence":false}',
        "k",
        "e3s4",
    )
    rng = random.Random(0)
    counts = Counter(expression.demonstrate(problem, rng) for _ in range(1200))
    assert set(counts) == {
        "answer 4",
        "2 4 answer 4",
        "3 + 4 * 2 = 4 answer 4",
        "3 + 4 = 2 ; 2 * 2 = 4 answer 4",
    }
    assert min(counts.values()) > 230
    two = Counter(
        expression.demonstrate(expression.generate(rng, "e5"), rng).split()[0] == "answer" for _ in range(1200)
    )
    assert abs(two[True] / 1200 - 0.35) < 0.06


def test_precedence_allows_several_orders_of_work() -> None:
    answer = '{"answers":[3],"expressions":["1 + 2 * 3 + 4 * 4"],"modulus":5,"precedence":true}'
    problem, rng = expression.Problem("calc mod5 1 + 2 * 3 + 4 * 4", answer, "k", "prec5"), random.Random(0)
    written = {expression.demonstrate(problem, rng) for _ in range(300)} - {"answer 3"}
    assert len(written) == 2 * 2  # either product first, either sum first


@pytest.mark.parametrize(
    ("response", "status", "extracted"),
    [
        ("answer 4", "ok", "4"),
        ("what ever answer 4", "ok", "4"),
        ("3 + 4 = 0 ; answer 4", "ok", "4"),
        ("answer 3", "wrong", "3"),
        ("4", "no_answer", None),
        ("answer", "no_answer", None),
        ("answer 4 4", "no_answer", None),
        ("answer 4 answer 4", "no_answer", None),
        ("answer 3 answer 4", "no_answer", None),
        ("answer 4 and answer 4", "no_answer", None),
        ("answer 9", "no_answer", None),
        ("answer ４", "no_answer", None),
    ],
)
def test_golden_verdicts(response: str, status: str, extracted: str | None) -> None:
    problem = expression.Problem(
        "eval mod5 3 + 4 * 2", '{"answers":[4],"expressions":["3 + 4 * 2"],"modulus":5,"precedence":false}', "k", "e3"
    )
    verdict = expression.verify(prompt_of(problem, "rlpipe/expression"), response)
    assert (verdict.status, verdict.extracted) == (status, extracted)
    assert verdict.score == float(status == "ok")


def test_both_of_two_must_be_right() -> None:
    rng = random.Random(0)
    problem = expression.generate(rng, "e3x2")
    first, second = expression.demonstrate(problem, rng).split(" and ")
    wrong = str((int(second.split()[-1]) + 1) % 5)
    prompt = prompt_of(problem, "")
    assert expression.verify(prompt, f"{first} and {second}").correct
    assert not expression.verify(prompt, f"{first} and answer {wrong}").correct
    assert expression.verify(prompt, first).status == "no_answer"


def test_spaces() -> None:
    assert [expression.space(level) for level in ("e2", "e3", "e5", "e3x2")] == [75, 1125, 253125, 1125 * 1126 // 2]
    assert len({expression.generate(random.Random(i), "e2").key for i in range(1500)}) == 75


def test_leaps_are_for_left_to_right_only() -> None:
    with pytest.raises(ValueError, match="leaps"):
        Level(4, precedence=True, styles=FOUR_STYLES)
