"""The random-reward control: a benchmark that improves although rewards were coin flips was not learnt, it was known.

A run whose rewards carry no information cannot teach anything about a task. Where its score rises nevertheless, the
gain comes from something the policy brought along: a memorised benchmark, or a format it was about to find anyway.

Source: arXiv:2507.10532, where random rewards raise Qwen2.5 on MATH-500 and not on data made after its training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Gain:
    """Change of the mean score of a benchmark under random rewards, with its interval over prompts and, where it was
    tested, the two-sided p-value."""

    benchmark: str
    value: float
    lo: float | None
    hi: float | None
    n: int
    p: float | None = None
    confidence: float = 0.95

    @property
    def flagged(self) -> bool:
        """The interval lies above 0, and the test, where there is one, agrees."""
        surely = self.p is None or self.p <= 1 - self.confidence
        return self.lo is not None and self.lo > 0 and surely


def flagged(found: Sequence[Gain]) -> list[str]:
    """Benchmarks that improve under random rewards (interval above 0): they cannot show that a method works."""
    return sorted({g.benchmark for g in found if g.flagged})
