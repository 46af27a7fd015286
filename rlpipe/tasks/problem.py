"""What a task family generates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A problem before it is a prompt.

    `text` is what the policy is shown, in whitespace-separated words; `answer` what the family's verifier reads; `key`
    the canonical generator parameters: two problems with one key are the same problem, however they are worded.
    """

    text: str
    answer: str
    key: str
    level: str
