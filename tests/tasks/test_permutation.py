from __future__ import annotations

import json
import random
from itertools import pairwise, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe.tasks import permutation
from rlpipe.tasks.permutation import LEVELS, moves
from rlpipe.tasks.problem import Problem
from tests.tasks.asked import prompt_of

GOLDEN = Problem(
    "turn c a b into a b c by swap within 4",
    '{"goal":["a","b","c"],"kind":"swap","limit":4,"start":["c","a","b"]}',
    "k",
    "s3",
)


@pytest.mark.parametrize(
    ("response", "status", "canonical"),
    [
        ("s1 a c b ; s2 a b c", "ok", "s1 s2"),
        ("s2 c b a ; s1 b c a ; s2 b a c ; s1 a b c", "ok", "s2 s1 s2 s1"),
        ("s1 a c b ; s1 c a b ; s1 a c b ; s2 a b c", "ok", "s1 s1 s1 s2"),
        ("s1 a c b", "wrong", None),
        ("s1 a b c", "wrong", None),  # not what s1 gives
        ("s1 a c b ; s2 a b c ; s1 b a c ; s1 a b c ; s1 b a c", "wrong", None),  # five moves, and not at the goal
        ("s1 a c b ; s2 a b c ; s1 b a c ; s2 b c a ; s2 b a c ; s1 a b c", "wrong", None),  # six moves
        ("r3 b a c ; s1 a b c", "no_answer", None),  # no such move under swap
        ("a b c", "no_answer", None),
        ("s1 a c b ; s2 a b c ;", "wrong", None),
        ("s1 a c b s2 a b c", "no_answer", None),
    ],
)
def test_golden_replays(response: str, status: str, canonical: str | None) -> None:
    verdict = permutation.verify(prompt_of(GOLDEN, "rlpipe/permutation"), response)
    assert (verdict.status, verdict.score) == (status, float(status == "ok"))
    if status != "wrong":  # the battery looks at what wrong answers vote for
        assert verdict.canonical == canonical


def test_swaps_that_do_not_touch_are_one_solution_in_either_order() -> None:
    problem = Problem("t", '{"goal":["a","b","c","d"],"kind":"swap","limit":4,"start":["b","a","d","c"]}', "k", "s4")
    responses = ("s1 a b d c ; s3 a b c d", "s3 b a c d ; s1 a b c d")
    assert {permutation.verify(prompt_of(problem, ""), r).canonical for r in responses} == {"s1 s3"}


def test_moves() -> None:
    assert {name: "".join("abcd"[i] for i in order) for name, order in moves("both", 4).items()} == {
        "s1": "bacd", "s2": "acbd", "s3": "abdc", "r3": "cbad", "r4": "dcba",
    }  # fmt: skip
    with pytest.raises(ValueError, match="rotate"):
        moves("rotate", 3)


def steps_of(names: tuple[str, ...], start: list[str], kind: str) -> tuple[str, list[str]]:
    state, steps = start, []
    for name in names:
        state = [state[i] for i in moves(kind, len(state))[name]]
        steps.append(" ".join([name, *state]))
    return " ; ".join(steps), state


@pytest.mark.parametrize("level", ["s3", "f4", "b3"])
def test_demonstrations_are_all_first_arrivals_without_undoing(level: str) -> None:
    rng = random.Random(2)
    problem = permutation.generate(rng, level)
    given_ = json.loads(problem.answer)
    kind, limit, goal = given_["kind"], given_["limit"], given_["goal"]
    expected = set()
    for n in range(1, limit + 1):
        for names in product(moves(kind, len(goal)), repeat=n):
            text, state = steps_of(names, given_["start"], kind)
            arrivals = [part.split(" ", 1)[1] for part in text.split(" ; ")]
            undone = any(a == b for a, b in pairwise(names))
            if state == goal and " ".join(goal) not in arrivals[:-1] and not undone:
                expected.add(text)
    assert {permutation.demonstrate(problem, rng) for _ in range(60 * len(expected))} == expected


def test_the_fewest_moves_are_counted_by_inversions_and_every_order_is_reached() -> None:
    distance = permutation._distances("swap", 4)
    assert set(distance) == set(permutations(range(4)))
    assert all(d == sum(p[i] > p[j] for i in range(4) for j in range(i, 4)) for p, d in distance.items())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(sorted(LEVELS)), st.data())
def test_one_changed_word_pays_only_if_the_replay_by_hand_agrees(seed: int, level: str, data: st.DataObject) -> None:
    rng = random.Random(seed)
    problem = permutation.generate(rng, level)
    response = permutation.demonstrate(problem, rng).split()
    response[data.draw(st.integers(0, len(response) - 1))] = data.draw(st.sampled_from(permutation.words()))
    text = " ".join(response)
    given_ = json.loads(problem.answer)
    names = tuple(part.split(" ")[0] for part in text.split(" ; "))
    right = set(names) <= set(moves(given_["kind"], len(given_["goal"]))) and len(names) <= given_["limit"]
    right = right and steps_of(names, given_["start"], given_["kind"]) == (text, given_["goal"])
    assert permutation.verify(prompt_of(problem, ""), text).correct == right


def test_spaces() -> None:
    assert [permutation.space(level) for level in ("s3", "s4", "s4any")] == [56 * 5, 70 * 14, 70 * 14 * 24]
    assert len({permutation.generate(random.Random(i), "s3").key for i in range(4000)}) == 280
