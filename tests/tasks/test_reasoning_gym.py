from __future__ import annotations

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rlpipe.tasks import reasoning_gym as gym
from rlpipe.tasks.problem import Problem
from rlpipe.tasks.untrusted import is_formula, is_plain
from tests.tasks.asked import prompt_of

QUICK = [
    "chain_sum",
    "basic_arithmetic",
    "gcd",
    "spell_backward",
    "letter_counting",
    "simple_equations",
    "rearc",
    "puzzle24",
]
NO_REFERENCE = ["boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"]


def judged(problem: Problem, response: str) -> tuple[float, str]:
    verdict = gym.verify(prompt_of(problem, "reasoning_gym/x"), response)
    return verdict.score, verdict.status


def reference(problem: Problem) -> str | None:
    return json.loads(problem.answer)["entry"]["answer"]


@pytest.mark.parametrize("name", QUICK)
def test_reference_answers_pay_and_junk_does_not(name: str) -> None:
    problems = gym.generate(name, 8, 3)
    assert problems
    for problem in problems:
        answer = reference(problem)
        assert answer is not None
        assert judged(problem, f"<answer>{answer}</answer>") == (1.0, "ok")
        assert judged(problem, answer) == (1.0, "ok")
        assert judged(problem, f"<think>{answer}</think> <answer>nothing</answer>")[0] == 0.0
        for junk in ("", "garbage", problem.text, "<think>", "\x00", "9" * 5000):
            assert judged(problem, junk)[0] == 0.0, junk


@pytest.mark.parametrize("name", NO_REFERENCE)
def test_tasks_without_a_reference_answer_are_scored_from_their_metadata(name: str) -> None:
    for problem in gym.generate(name, 3, 0):
        assert reference(problem) is None
        assert judged(problem, "<answer>garbage</answer>")[0] == 0.0
        assert judged(problem, "None")[0] == 0.0


def test_a_right_answer_without_a_reference_pays() -> None:
    problem = gym.generate("graph_color", 1, 0)[0]
    metadata = gym._decode(json.loads(problem.answer)["entry"])["metadata"]
    assert judged(problem, json.dumps({str(k): v for k, v in metadata["possible_answer"].items()})) == (1.0, "ok")


def test_draws_of_different_seeds_share_no_item_and_equal_ones_are_equal() -> None:
    first, second = gym.generate("chain_sum", 200, 0), gym.generate("chain_sum", 200, 1)
    assert first == gym.generate("chain_sum", 200, 0)
    assert len({p.text for p in first} & {p.text for p in second}) <= 2
    from reasoning_gym import create_dataset

    near = [{item["question"] for item in create_dataset("chain_sum", size=200, seed=seed)} for seed in (0, 1)]
    assert len(near[0] & near[1]) >= 199  # what would happen with neighbouring seeds


def test_repetitions_are_left_out_with_their_reason() -> None:
    drawn = gym.draw("coin_flip", 40, 0)
    reasons = {reason for _, reason, _ in drawn.rejected}
    assert len(drawn.problems) + len(drawn.rejected) == 40
    assert reasons <= {"repeated", "scorer pays for '0'"}
    assert "scorer pays for '0'" in reasons  # a prefix of 0.25 is paid in full
    assert len({p.key for p in drawn.problems}) == len(drawn.problems)


def test_scorers_that_pay_for_garbage_lose_their_items() -> None:
    drawn = gym.draw("game_of_life_halting", 12, 3)
    assert any(reason == "scorer pays for 'garbage'" for _, reason, _ in drawn.rejected)
    for problem in drawn.problems:
        assert judged(problem, "garbage")[0] == 0.0


def test_partial_credit_is_no_credit() -> None:
    problem = next(p for p in gym.generate("countdown", 3, 0))
    assert judged(problem, "1 + 1") == (0.0, "wrong")


def test_an_answer_the_scorer_cannot_read_is_wrong_and_a_broken_row_is_an_error() -> None:
    problem = gym.generate("prime_factorization", 1, 0)[0]
    assert judged(problem, "garbage") == (0.0, "wrong")
    given = json.loads(problem.answer)
    given["entry"]["answer"] = "no product"
    given["entry"]["metadata"] = {}
    assert judged(replace(problem, answer=json.dumps(given)), "garbage") == (0.0, "error")


@pytest.mark.parametrize("name", sorted(gym.EVALUATED | gym.PARSED - gym.HASH_DEPENDENT))
def test_scorers_that_evaluate_answers_never_see_code(name: str, tmp_path: object) -> None:
    mark = f"{tmp_path}/run"
    for problem in gym.generate(name, 2, 0):
        for code in (f"__import__('os').system('touch {mark}')", f"[open('{mark}', 'w')]", "9**9**9**9", "[0]*10**12"):
            assert judged(problem, f"<answer>{code}</answer>") == (0.0, "wrong")
        answer = reference(problem)
        assert answer is not None
        assert judged(problem, answer) == (1.0, "ok")
    assert not os.path.exists(mark)


@pytest.mark.parametrize(
    ("answer", "plain", "formula"),
    [
        ("[[1, 0], [0, 1]]", True, False),
        ("x**2/2 + 3*sin(x) + C", False, True),
        ("(3 + 4) * 6 - 18", False, True),
        ("9**9**9", False, False),
        ("2**101", False, False),
        ("2**-100", False, True),
        ("exit()", False, False),
        ("().__class__", False, False),
        ("a.__class__", False, False),
        ("x if x else y", True, False),
        ("[x for x in y]", True, False),
        ("'a' 'b'", True, False),
        ("1" * 2001, False, False),
        ("f(x)", False, False),
        ("99999999999", True, False),
        ("True", True, False),
        ("", True, False),
    ],
)
def test_what_may_be_evaluated(answer: str, plain: bool, formula: bool) -> None:
    assert (is_plain(answer), is_formula(answer)) == (plain, formula)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer> 7 </answer>", "7"),
        ("<answer>1</answer> no <answer>2</answer>", "2"),
        ("<answer>1</answer> and <answer>2", "<answer>1</answer> and <answer>2"),
        ("just 7", "just 7"),
        ("<think>3</think>\n7", "7"),
        ("<think>3", None),
        ("<think>a</think><think>b", None),
        ("  ", None),
        ("<answer></answer>", None),
    ],
)
def test_extraction(response: str, answer: str | None) -> None:
    assert gym.extract(response) == answer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no_such_task", 3, 0), "no such task"),
        (("composite", 3, 0), "mixtures are several sources"),
        (("chain_sum", 0, 0), "size 0"),
        (("chain_sum", 3, 99_999), "seed 99999"),
        (("chain_sum", 3, 0, {"terms": 3}), "terms"),
        (("chain_sum", 3, 0, {"min_terms": 9, "max_terms": 2}), "min_terms"),
    ],
)
def test_wrong_input_is_refused_by_name(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.generate(*arguments)


def test_tasks_that_depend_on_the_hash_seed_need_it_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(randomised: int) -> SimpleNamespace:
        return SimpleNamespace(flags=SimpleNamespace(hash_randomization=randomised))

    monkeypatch.setattr(gym, "sys", flags(1))
    for name in gym.HASH_DEPENDENT:
        with pytest.raises(ValueError, match=f"{name}.*PYTHONHASHSEED=0"):
            gym.generate(name, 5, 0)
    assert gym.generate("gcd", 5, 0)
    monkeypatch.setattr(gym, "sys", flags(0))
    assert gym.generate("ransom_note", 5, 0)


def test_rows_survive_json() -> None:
    value = {"a": (1, [2, (3,)]), "b": {1: "x", (2, 3): None}, "c": [True, 1.5, "t"]}
    assert gym._decode(json.loads(json.dumps(gym._encode(value)))) == value
