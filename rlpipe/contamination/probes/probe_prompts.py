"""What a policy is shown in each pass of the probe: the prompt, the prompt with a first response, the prompt amid
noise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from rlpipe import models
from rlpipe.contamination.settings import SecondResponse
from rlpipe.tasks.second_response import second_demonstration
from rlpipe.types import Message, Prompt, draw_seed

CRITIQUE = """{question}

Below, between the lines, is a possible answer to this problem. It may be right or wrong.
---
{first}
---
Solve the problem again by a different line of reasoning. Write a new answer of your own; do not describe or copy the \
one above."""
PROSE_BEFORE = (
    "The ferry to the northern islands leaves twice a day in summer.",
    "Most of the old lighthouse was rebuilt in red brick after the storm.",
)
PROSE_AFTER = "Gardeners often plant marigolds beside tomatoes."
WORDS_BEFORE, WORDS_AFTER = 2, 1


def asked_with(prompt: Prompt, rewrite: Callable[[str], str]) -> list[Message]:
    """The prompt's messages with the last user message rewritten."""
    messages = [dict(m) for m in prompt.messages]
    last = max(i for i, m in enumerate(messages) if m["role"] == "user")
    messages[last]["content"] = rewrite(messages[last]["content"])
    return list(messages)


def ask_again(
    prompt: Prompt, first: str, second: SecondResponse, tokenizer: Any, most_tokens: int | None
) -> tuple[list[int], bool]:
    """Token ids that ask for another response than `first`, and whether `first` was cut (its front is kept) to fit.

    `most_tokens` is the room for this prompt: the model's longest sequence minus what the second response may take; so
    the instruction is always whole and the response never cramped.

    Raises: ValueError if not even the empty first response fits.
    Differs: the authors leave 50 tokens for instruction and response together.
    """
    ask = _request(prompt, second)
    ids = models.encode(tokenizer, ask(first))
    if most_tokens is None or len(ids) <= most_tokens:
        return ids, False
    room = most_tokens - len(models.encode(tokenizer, ask("")))
    if room < 1:
        raise ValueError(
            f"prompt {prompt.id}: the request for a second response leaves no room for a first one (at most "
            f"{most_tokens} tokens); lower contamination.second_max_new_tokens or drop long prompts"
        )
    written = tokenizer(first, add_special_tokens=False)["input_ids"]
    while len(ids) > most_tokens and room > 0:
        ids = models.encode(tokenizer, ask(tokenizer.decode(written[:room])))
        room -= max(1, len(ids) - most_tokens)  # a cut response can take more tokens than it was cut to
    return ids, True


def critique(question: str, first: str) -> str:
    """The question, a first response that may be wrong, and the request to solve it another way: one user message.

    Source: Self-Critique, arXiv:2510.09259, section 3.2. Differs: our wording; the paper finds rewordings to move the
    AUC by a standard deviation of about .025.
    """
    return CRITIQUE.format(question=question, first=first)


def _request(prompt: Prompt, second: SecondResponse) -> Callable[[str], list[Message]]:
    def ask(first: str) -> list[Message]:
        if second.kind == "critique":
            return asked_with(prompt, lambda question: critique(question, first))
        return asked_with(prompt, lambda question: second_demonstration(question, first, second.marker))

    return ask


def amid_noise(prompt: Prompt, kind: str, words: Sequence[str], seed: int) -> list[Message]:
    """The prompt with something unrelated before and after it, one space between the parts.

    `prose`: two sentences before, one after. `words`: two words before and one after, drawn from `words` for this
    prompt.
    Source: Entropy-Noise, arXiv:2510.09259, section 4.1; `words` is ours, for policies that know no prose.
    """
    if kind == "prose":
        before, after = list(PROSE_BEFORE), [PROSE_AFTER]
    else:
        rng = random.Random(draw_seed(seed, "noise", prompt.id))
        drawn = [rng.choice(words) for _ in range(WORDS_BEFORE + WORDS_AFTER)]
        before, after = drawn[:WORDS_BEFORE], drawn[WORDS_BEFORE:]
    return asked_with(prompt, lambda question: " ".join([*before, question, *after]))
