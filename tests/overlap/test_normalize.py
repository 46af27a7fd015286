from __future__ import annotations

import pytest

from rlpipe.overlap import normalize
from rlpipe.overlap.normalize import operators, same_numbers, terms, tokens, without_instructions, words

QUESTION = "Find the value of $x$ if 3x = 12."


def test_prompt_id_and_norm_hash_are_those_of_the_specification() -> None:
    prompt = [{"role": "user", "content": "What is 2+2?"}]
    assert normalize.prompt_id(prompt) == "1c2da8a2ed7b5c3445a5a06c285a97f9"
    assert " ".join(words("What is 2+2?")) == "what is 2 2"
    assert normalize.norm_hash(prompt) == "38c87990671df2fe"


def test_n2_keeps_every_symbol_and_whole_decimals() -> None:
    assert tokens("Compute 17+25.") == ["compute", "17", "+", "25", "."]
    assert tokens("x2 = 3.5_") == ["x", "2", "=", "3.5", "_"]
    assert terms("What's 17+25, then?") == ["what", "s", "17", "+", "25", "then"]


def test_n1_folds_compatible_forms() -> None:
    assert words("Ｆｉｎｄ ① STRASSE straße") == ["find", "1", "strasse", "strasse"]


@pytest.mark.parametrize(
    "text", ["three-year-old", "a 3-year lease", "mid-2020", "and/or", "20% off", "$5", "well-being."]
)
def test_compounds_and_units_are_no_operators(text: str) -> None:
    assert operators(text) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [("x-y", ("-",)), ("48/2", ("/",)), ("5 - 3", ("-",)), ("17 % 5", ("%",)), ("a*b + c^2 = 4", ("*", "+", "^", "="))],
)
def test_operators(text: str, found: tuple[str, ...]) -> None:
    assert operators(text) == found


def test_number_guard() -> None:
    assert not same_numbers("divisible by 11, below 1000", "divisible by 7, below 1000")
    assert not same_numbers("3 and 3", "3"), "multisets, not sets"
    assert same_numbers("1,000 apples for three", "1000 apples for 3"), "other ways to write the same numbers"
    assert same_numbers("no numbers", "none here")
    assert not same_numbers("1.5 litres", "1 to 5 litres")


@pytest.mark.parametrize(
    "text",
    [
        f'{QUESTION} Let\'s think step by step and output the final answer after "####".',
        f"{QUESTION}\nPlease reason step by step, and put your final answer within \\boxed{{}}.",
        "Solve the following math problem step by step. The last line of your response should be of the form Answer: "
        f"$Answer (without quotes) where $Answer is the answer to the problem.\n\n{QUESTION}\n\nRemember to put your "
        'answer on its own line after "Answer:".',
        QUESTION,
        QUESTION + r" Please think step by step, then write \boxed{}",
    ],
)
def test_instructions_on_the_form_of_the_answer_are_not_compared(text: str) -> None:
    assert without_instructions(text) == QUESTION


def test_instructions_are_found_behind_a_question_without_a_mark() -> None:
    assert without_instructions(r"Solve x + 1 = 2 Let's think step by step and use \boxed{}.") == "Solve x + 1 = 2"
    assert without_instructions("We think step by step is a phrase") == "We think step by step is a phrase"


def test_a_prompt_that_is_nothing_but_an_instruction_stays() -> None:
    assert without_instructions(r"Write \boxed{4}.") == r"Write \boxed{4}."
    assert normalize.norm_hash([{"role": "user", "content": r"Write \boxed{4}."}]) == normalize.text_hash(
        r"Write \boxed{4}."
    )


def test_system_messages_are_not_part_of_the_text() -> None:
    user = {"role": "user", "content": QUESTION}
    assert normalize.user_text([{"role": "system", "content": "Be brief."}, user]) == QUESTION
    assert normalize.norm_hash([{"role": "system", "content": "Be brief."}, user]) == normalize.norm_hash([user])
    assert normalize.prompt_id([{"role": "system", "content": "Be brief."}, user]) != normalize.prompt_id([user])
