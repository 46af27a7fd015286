"""A game of two: the keeper holds a number, the policy guesses, and is told `higher` or `lower` until it is right.

The keeper's number is the prompt's answer: any file of prompts with whole numbers as answers can be played. A guess is the
last number of a turn. Each reply is a message of its own, so every guess is a turn, and the last one is what is verified.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rlpipe.types import Message, Prompt

HIGHER, LOWER = "higher", "lower"
NUMBER = re.compile(r"\d{1,6}")


@dataclass(frozen=True)
class Guessing:
    """A state is the number that the keeper holds."""

    stop: tuple[str, ...] = ()

    def start(self, prompt: Prompt) -> int:
        return int(prompt.answer)

    def reply(self, state: int, text: str) -> tuple[int, Sequence[Message] | None]:
        """Where the number lies from the guess; None once it is found, or for a turn without a guess."""
        guesses = NUMBER.findall(text)
        if not guesses or int(guesses[-1]) == state:
            return state, None
        return state, [{"role": "user", "content": HIGHER if int(guesses[-1]) < state else LOWER}]


def guessing() -> Guessing:
    return Guessing()
