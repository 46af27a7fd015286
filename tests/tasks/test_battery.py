"""What every task family found in the folder must do, at every one of its levels."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from rlpipe.tasks.catalogue import families, family
from tests.tasks.asked import prompt_of

FAMILIES = families()
LEVELS = [(name, level) for name in FAMILIES for level in family(name).LEVELS]
JUNK = [
    "",
    "   ",
    "\n",
    "garbage",
    "the answer is 42",
    "answer",
    "=",
    ";",
    "and",
    "0 1 2 3",
    "<answer> 1 </answer>",
    "\x00",
]
JUNK += [r"\boxed{1}", "1" * 400, "- 1", "１ + １ = ２"]


def drawn(name: str, level: str, n: int, seed: int = 0) -> list:
    rng = random.Random(seed)
    return [family(name).generate(rng, level) for _ in range(n)]


def test_the_folder_has_the_four_families_each_with_an_easy_and_a_hard_level() -> None:
    assert FAMILIES == ["countdown", "expression", "graph", "permutation"]
    assert all({"easy", "hard"} <= set(family(name).LEVELS) for name in FAMILIES)


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_every_demonstration_is_right_and_in_the_vocabulary(name: str, level: str) -> None:
    module, rng, known = family(name), random.Random(1), set(family(name).words())
    for problem in drawn(name, level, 25):
        response = module.demonstrate(problem, rng)
        verdict = module.verify(prompt_of(problem, f"rlpipe/{name}"), response)
        assert (verdict.score, verdict.status) == (1.0, "ok"), (problem, response)
        assert verdict.canonical
        assert verdict.verifier == name
        assert problem.level == level
        assert set(problem.text.split()) | set(response.split()) <= known
        assert problem.text == " ".join(problem.text.split())
        assert response == " ".join(response.split())


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_same_seed_same_problems_and_demonstrations(name: str, level: str) -> None:
    def once() -> list[tuple[object, str]]:
        rng = random.Random(7)
        problems = [family(name).generate(rng, level) for _ in range(10)]
        return [(problem, family(name).demonstrate(problem, rng)) for problem in problems]

    assert once() == once()
    assert drawn(name, level, 10, seed=7) != drawn(name, level, 10, seed=8)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_key_is_one_text_and_one_answer(name: str) -> None:
    by_key: dict[str, tuple[str, str]] = {}
    by_text: dict[str, str] = {}
    for level in family(name).LEVELS:
        for problem in drawn(name, level, 20):
            assert by_key.setdefault(problem.key, (problem.text, problem.answer)) == (problem.text, problem.answer)
            assert by_text.setdefault(problem.text, problem.key) == problem.key


def test_keys_and_leading_words_tell_families_apart() -> None:
    leads = {
        name: {p.text.split()[0] for level in family(name).LEVELS for p in drawn(name, level, 5)} for name in FAMILIES
    }
    assert sum(len(words) for words in leads.values()) == len(set().union(*leads.values()))
    assert all(p.key.startswith(f"{name} ") for name in FAMILIES for p in drawn(name, "easy", 20))


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_junk_never_pays(name: str, level: str) -> None:
    for problem in drawn(name, level, 6):
        prompt = prompt_of(problem, f"rlpipe/{name}")
        for junk in [*JUNK, problem.text, problem.answer, problem.key]:
            verdict = family(name).verify(prompt, junk)
            assert verdict.score == 0.0, (problem, junk)
            assert verdict.status in ("wrong", "no_answer")
            assert junk.split() or verdict.status == "no_answer"


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_text_around_a_right_response_does_not_pay(name: str, level: str) -> None:
    rng = random.Random(3)
    for problem in drawn(name, level, 6):
        prompt, response = prompt_of(problem, f"rlpipe/{name}"), family(name).demonstrate(problem, rng)
        for spoilt in (f"{response} so", f"{response} ; {response}", f"{response} 0"):
            assert not family(name).verify(prompt, spoilt).correct, spoilt


@pytest.mark.parametrize("name", FAMILIES)
def test_canonical_does_not_depend_on_blanks_and_separates_solutions(name: str) -> None:
    rng = random.Random(4)
    most = 0
    for problem in drawn(name, "hard", 8):
        prompt = prompt_of(problem, f"rlpipe/{name}")
        responses = [family(name).demonstrate(problem, rng) for _ in range(15)]
        verdicts = [family(name).verify(prompt, r) for r in responses]
        assert verdicts == [family(name).verify(prompt, f"  {r.replace(' ', '  ')}\n") for r in responses]
        solutions = {v.solution or v.canonical for v in verdicts}
        most = max(most, len(solutions))
        assert len(solutions) <= len(set(responses))
    assert most >= 2


@pytest.mark.parametrize("name", FAMILIES)
def test_what_can_be_read_votes_and_no_answer_is_both_right_and_wrong(name: str) -> None:
    rng, seen = random.Random(6), set()
    for problem in drawn(name, "easy", 30):
        prompt, paid = prompt_of(problem, f"rlpipe/{name}"), {}
        for _ in range(30):
            words = family(name).demonstrate(problem, rng).split()
            words[rng.randrange(len(words))] = rng.choice([*words, "nonsense"])
            verdict = family(name).verify(prompt, " ".join(words))
            seen.add(verdict.status)
            assert (verdict.canonical is None) == (verdict.status == "no_answer")
            if verdict.canonical is not None:
                assert paid.setdefault(verdict.canonical, verdict.correct) == verdict.correct
    assert seen == {"ok", "wrong", "no_answer"}


def shuffled_words_pay(name: str, level: str, n: int) -> float:
    """Share of problems that random words of the family, as many as a demonstration has, solve."""
    rng, words = random.Random(5), family(name).words()
    paid = 0.0
    for problem in drawn(name, level, n):
        length = len(family(name).demonstrate(problem, rng).split())
        paid += family(name).verify(prompt_of(problem, f"rlpipe/{name}"), " ".join(rng.choices(words, k=length))).score
    return paid / n


@pytest.mark.parametrize("name", FAMILIES)
def test_random_words_hardly_ever_pay(name: str) -> None:
    most = 0.10 if name == "graph" else 0.01  # one right node is one word
    assert shuffled_words_pay(name, "easy", 200) <= most
    assert shuffled_words_pay(name, "hard", 200) <= most


def majority_baseline(name: str, level: str, n: int = 150) -> tuple[str, float]:
    """The demonstration that solves most problems of a level when it is given to all of them, and the share it solves."""
    rng, problems = random.Random(6), drawn(name, level, n)
    common = Counter(family(name).demonstrate(problem, rng) for problem in problems).most_common(5)
    solved = {r: sum(family(name).verify(prompt_of(p, ""), r).score for p in problems) / n for r, _ in common}
    return max(solved.items(), key=lambda item: item[1])


@pytest.mark.parametrize(
    ("name", "level", "most"),
    [
        ("countdown", "c2", 0.10),
        ("countdown", "c3", 0.05),
        ("countdown", "hard", 0.02),
        ("expression", "e3", 0.40),  # one answer of five, and products are often 0
        ("expression", "hard", 0.15),
        ("permutation", "easy", 0.02),
        ("permutation", "hard", 0.02),
        ("graph", "easy", 0.50),  # a node of five: hubs are right for many questions
        ("graph", "hard", 0.25),
    ],
)
def test_one_answer_for_all_problems_earns_little(name: str, level: str, most: float) -> None:
    response, share = majority_baseline(name, level)
    print(f"{name}/{level}: {response!r} solves {share:.3f}")
    assert share <= most, response


@pytest.mark.parametrize("name", [name for name in FAMILIES if hasattr(family(name), "space")])
def test_space_bounds_what_is_drawn(name: str) -> None:
    for level in family(name).LEVELS:
        size = family(name).space(level)
        keys = {problem.key for problem in drawn(name, level, 60)}
        assert len(keys) <= size
        if size > 10_000:
            assert len(keys) >= 58


def test_unknown_names_are_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"rlpipe/chess.*countdown"):
        family("rlpipe/chess")
