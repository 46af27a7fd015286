"""Completion probe: shown the first part of a question, does the policy write the rest of it, word for word?

A policy that does has met the question, in pre-training or since: nobody guesses how a long question ends. It says
nothing about short, formulaic questions, nor about a policy that was only ever trained on responses.

Source: arXiv:2507.10532, section 3, partial-prompt completion; details ours: words, greedy decoding, exact comparison.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlpipe.contamination.probes.completion_rate import Completed
from rlpipe.contamination.probes.probe import Subject
from rlpipe.engine.batched import complete_all
from rlpipe.types import Prompt, Sampling


def cut(question: str, shown: float) -> tuple[str, str] | None:
    """The first `shown` share of the words, rounded down, and the rest; None where either part would be empty."""
    ends = [word.end() for word in re.finditer(r"\S+", question)]
    at = int(len(ends) * shown + 1e-9)
    return (question[: ends[at - 1]], question[ends[at - 1] :]) if 0 < at < len(ends) else None


def complete(subject: Subject, prompts: Sequence[Prompt], shown: float) -> list[Completed]:
    """Greedy continuations of the questions of `prompts`; those of a single word are left out.

    The question stands where it stands in a conversation, its end open: the template's opening is there, its closing
    is not. White space does not count.
    """
    asked = [(p, parts) for p in prompts if (parts := cut(_question(p), shown)) is not None]
    prefixes = [_opened(subject, p, first) for p, (first, _) in asked]
    # Two spare tokens: words may split otherwise. Greedy text does not depend on its limit, so limits are rounded up
    # to decode many questions at once.
    budgets = [len(subject.tokenizer(rest, add_special_tokens=False)["input_ids"]) + 2 for _, (_, rest) in asked]
    limits = [_rounded(b, len(p), subject.longest) for b, p in zip(budgets, prefixes, strict=True)]
    texts = [""] * len(asked)
    for limit in sorted(set(limits)):
        rows = [i for i, x in enumerate(limits) if x == limit]
        rollouts = complete_all(
            subject.engine, [prefixes[i] for i in rows], Sampling(limit, temperature=0.0), [0] * len(rows)
        )
        for i, rollout in zip(rows, rollouts, strict=True):
            texts[i] = " ".join(rollout.text.split())
    found = []
    for (prompt, (first, rest)), text in zip(asked, texts, strict=True):
        wanted = " ".join(rest.split())
        exact = f"{text} ".startswith(f"{wanted} ")
        found.append(Completed(prompt.id, prompt.source, first, wanted, text, exact))
    return found


def _question(prompt: Prompt) -> str:
    return next(m["content"] for m in reversed(prompt.messages) if m["role"] == "user")


def _rounded(budget: int, used: int, longest: int | None) -> int:
    rounded = 1 << (budget - 1).bit_length()
    return rounded if longest is None or used + rounded <= longest else max(budget, longest - used)


def _opened(subject: Subject, prompt: Prompt, first: str) -> list[int]:
    """Token ids up to the end of `first`, standing for the prompt's last user message."""
    tokenizer = subject.tokenizer
    if not tokenizer.chat_template:
        return list(tokenizer(first)["input_ids"])
    turns = [dict(m) for m in prompt.messages]
    last = max(i for i, m in enumerate(turns) if m["role"] == "user")
    turns[last]["content"] = first
    text = tokenizer.apply_chat_template(turns[: last + 1], add_generation_prompt=False, tokenize=False)
    end = text.rindex(first) + len(first)
    return list(tokenizer(text[:end], add_special_tokens=False)["input_ids"])
