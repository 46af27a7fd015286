"""The guessing game: where the number lies, and when the game is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlpipe.environments.guessing import HIGHER, LOWER, guessing
from rlpipe.types import Prompt


def game(number: int):
    prompt = Prompt("p", ({"role": "user", "content": "guess"},), str(number), "game")
    return guessing(), guessing().start(prompt)


@given(st.integers(0, 99), st.integers(0, 99))
def test_the_keeper_says_where_the_number_lies(number, guess):
    keeper, state = game(number)
    kept, messages = keeper.reply(state, f"is it 7 or {guess}")
    assert kept == number
    if guess == number:
        assert messages is None
    else:
        assert messages == [{"role": "user", "content": HIGHER if guess < number else LOWER}]


def test_bisection_finds_it_and_silence_ends_it():
    keeper, state = game(11)
    low, high, turns = 0, 15, 0
    while True:
        guess = (low + high) // 2
        state, messages = keeper.reply(state, str(guess))
        turns += 1
        if messages is None:
            break
        low, high = (guess + 1, high) if messages[0]["content"] == HIGHER else (low, guess - 1)
    assert (guess, turns) == (11, 2)
    assert keeper.reply(state, "I give up")[1] is None
