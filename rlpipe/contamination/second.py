"""How a policy is asked for a second, different response to a prompt it has answered.

A model that follows instructions is asked in words (`critique`). A policy without instructions can only be asked by
something its warm-up taught it: demonstrations whose prompt is a problem, one response to it and a marker word, and
whose response is a different solution (`second_demonstration`). Curation writes such demonstrations, the probe asks in
the same words.
"""

from __future__ import annotations

import random
from collections.abc import Callable

CRITIQUE = """{question}

Below, between the lines, is a possible answer to this problem. It may be right or wrong.
---
{first}
---
Solve the problem again by a different line of reasoning. Write a new answer of your own; do not describe or copy the \
one above."""


def critique(question: str, first: str) -> str:
    """The question, a first response that may be wrong, and the request to solve it another way: one user message.

    Source: Self-Critique, arXiv:2510.09259, section 3.2. Differs: our wording; the paper finds rewordings to move the
    AUC by a standard deviation of about .025.
    """
    return CRITIQUE.format(question=question, first=first)


def second_demonstration(problem_text: str, first: str, marker: str) -> str:
    """Prompt text `<problem> <first response> <marker>`, in whitespace-separated words; its response is another
    solution.

    Raises: ValueError if the marker is not one word, or is a word of the problem or response, where it would say
    nothing.
    """
    if len(marker.split()) != 1:
        raise ValueError(f"marker {marker!r}: give one word")
    if marker in problem_text.split():
        raise ValueError(f"marker {marker!r} is a word of the problem {problem_text!r}; choose another one")
    return f"{problem_text} {first} {marker}"


def different(
    demonstrate: Callable[[random.Random], str], first: str, rng: random.Random, tries: int = 16
) -> str | None:
    """A response drawn from `demonstrate` that is not `first`; None where `tries` draws all gave it again."""
    for _ in range(tries):
        found = demonstrate(rng)
        if found != first:
            return found
    return None
