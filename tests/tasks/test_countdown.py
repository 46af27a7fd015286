from __future__ import annotations

import random
from collections import Counter
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.tasks import countdown
from rlpipe.tasks.problem import Problem
from tests.tasks.asked import prompt_of

GOLDEN = Problem(
    "make mod5 3 from 1 2 4", '{"modulus":5,"problems":[[[1,2,4],3]]}', "countdown make mod5 3 from 1 2 4", "c3"
)


@pytest.mark.parametrize(
    ("response", "status", "canonical"),
    [
        ("4 + 1 = 0 ; 0 - 2 = 3", "ok", "((1 + 4) - 2)"),
        ("1 + 4 = 0 ; 0 - 2 = 3", "ok", "((1 + 4) - 2)"),
        ("2 - 4 = 3 ; 3 * 1 = 3", "ok", "((2 - 4) * 1)"),
        ("1 * 2 = 2 ; 2 * 4 = 3", "ok", "((1 * 2) * 4)"),
        ("4 + 1 = 0 ; 2 - 0 = 2", "wrong", None),  # misses the target
        ("4 + 1 = 1 ; 1 + 2 = 3", "wrong", None),  # 4 + 1 is 0
        ("4 + 2 = 1 ; 1 + 2 = 3", "wrong", None),  # 2 twice
        ("1 + 2 = 3", "wrong", None),  # 4 is left over
        ("4 + 1 = 0 ; 0 - 2 = 3 ; 3 + 0 = 3", "wrong", None),
        ("so 4 + 1 = 0 ; 0 - 2 = 3", "no_answer", None),
        ("4 + 1 = 0 ; 0 - 2 = 3 .", "wrong", None),
        ("4 + 1 = 0 and 0 - 2 = 3", "wrong", None),
        ("4 + 1 = 5 ; 5 - 2 = 3", "no_answer", None),  # 5 is no number here
        ("4 + 01 = 0 ; 0 - 2 = 3", "no_answer", None),
        ("3", "no_answer", None),
    ],
)
def test_golden_replays(response: str, status: str, canonical: str | None) -> None:
    verdict = countdown.verify(prompt_of(GOLDEN, "rlpipe/countdown"), response)
    assert (verdict.status, verdict.score) == (status, float(status == "ok"))
    if status != "wrong":  # the battery looks at what wrong answers vote for
        assert verdict.canonical == canonical


def test_order_of_independent_steps_is_one_solution() -> None:
    problem = Problem("make mod5 4 from 1 1 4 4", '{"modulus":5,"problems":[[[1,1,4,4],4]]}', "k", "c4")
    for response in ("1 + 1 = 2 ; 4 + 4 = 3 ; 2 - 3 = 4", "4 + 4 = 3 ; 1 + 1 = 2 ; 2 - 3 = 4"):
        assert countdown.verify(prompt_of(problem, ""), response).canonical == "((1 + 1) - (4 + 4))"


def test_a_value_given_and_computed_counts_as_the_computed_one() -> None:
    problem = Problem("make mod5 4 from 1 2 3 3", '{"modulus":5,"problems":[[[1,2,3,3],4]]}', "k", "c4")
    verdict = countdown.verify(prompt_of(problem, ""), "1 + 2 = 3 ; 3 * 3 = 4 ; 3 + 4 = 2")
    assert verdict.status == "wrong"
    verdict = countdown.verify(prompt_of(problem, ""), "1 + 2 = 3 ; 3 - 3 = 0 ; 3 + 0 = 3")
    assert verdict.status == "wrong"
    verdict = countdown.verify(prompt_of(problem, ""), "1 + 2 = 3 ; 3 + 3 = 1 ; 3 + 1 = 4")
    assert verdict.canonical == "(((1 + 2) + 3) + 3)"


def reachable(numbers: tuple[int, ...], modulus: int) -> set[int]:
    """Every value that all the numbers can make, by brute force over orders, operations and bracketings."""
    if len(numbers) == 1:
        return {numbers[0]}
    found = set()
    for order in set(permutations(numbers)):
        for cut in range(1, len(order)):
            for a, b in product(reachable(order[:cut], modulus), reachable(order[cut:], modulus)):
                found |= {(a + b) % modulus, (a - b) % modulus, (a * b) % modulus}
    return found


@pytest.mark.parametrize(("numbers", "modulus"), [(2, 5), (3, 5), (4, 5), (2, 7), (3, 7)])
def test_solvable_problems_are_exactly_those_brute_force_finds(numbers: int, modulus: int) -> None:
    tasks = set(countdown.tasks(numbers, modulus))
    states = {state for state, _ in tasks}
    for state in random.Random(0).sample(sorted(states), min(25, len(states))):
        assert {target for s, target in tasks if s == state} == reachable(state, modulus)


def test_demonstrations_are_uniform_over_the_solutions() -> None:
    rng, n = random.Random(0), 4000
    counts = Counter(countdown.demonstrate(GOLDEN, rng) for _ in range(n))
    total = countdown.solutions((1, 2, 4), 3, 5)
    steps = [f"{a} {op} {b} = {c}" for a, op, b, c in product(range(5), "+-*", range(5), range(5))]
    right = [s for s in steps if str(eval(s[:5]) % 5) == s[-1]]
    assert set(counts) == {f"{one} ; {two}" for one, two in product(right, right) if by_hand(GOLDEN, f"{one} ; {two}")}
    assert len(counts) == total == 27
    assert max(counts.values()) < 1.6 * n / total
    assert min(counts.values()) > 0.5 * n / total


def test_spaces() -> None:
    assert [countdown.space(level) for level in ("c2", "c3", "c4", "c5", "c2x2", "c3x2")] == [
        44, 162, 338, 618, 44 * 45 // 2, 162 * 163 // 2,
    ]  # fmt: skip
    drawn = {countdown.generate(random.Random(i), "c3").key for i in range(3000)}
    assert len(drawn) == countdown.space("c3")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(sorted(countdown.LEVELS)), st.data())
def test_one_changed_word_pays_only_if_the_replay_by_hand_agrees(seed: int, level: str, data: st.DataObject) -> None:
    rng = random.Random(seed)
    problem = countdown.generate(rng, level)
    response = countdown.demonstrate(problem, rng).split()
    place = data.draw(st.integers(0, len(response) - 1))
    response[place] = data.draw(st.sampled_from(countdown.words()))
    verdict = countdown.verify(prompt_of(problem, ""), " ".join(response))
    assert verdict.correct == by_hand(problem, " ".join(response))


def by_hand(problem: Problem, response: str) -> bool:
    """The rules again, through Python's own arithmetic and a counter of values."""
    head, *asked = problem.text.removeprefix("make ").replace("mod", "", 1).split(" ", 1)
    modulus = int(head)
    parts = response.split(" and ")
    wanted = asked[0].split(" and ")
    if len(parts) != len(wanted):
        return False
    for part, want in zip(parts, wanted, strict=True):
        target, _, *numbers = want.split()
        pool = Counter(numbers)
        for step in part.split(" ; "):
            items = step.split(" ")
            if len(items) != 5 or items[1] not in {"+", "-", "*"} or items[3] != "=" or not items[4].isdigit():
                return False
            pool.subtract([items[0], items[2]])
            if min(pool.values()) < 0 or str(eval(" ".join(items[:3])) % modulus) != items[4]:
                return False
            pool[items[4]] += 1
        if +pool != Counter([target]):
            return False
    return True
