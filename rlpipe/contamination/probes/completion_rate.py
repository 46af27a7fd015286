"""What completion probes found: each question, and the share that was completed word for word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlpipe.statistics.proportion import proportion


@dataclass(frozen=True)
class Completed:
    """One question: the part shown, the part left out, what was written instead, and whether the two are equal."""

    prompt_id: str
    source: str
    shown: str
    rest: str
    written: str
    exact: bool


@dataclass(frozen=True)
class Rate:
    """Exact completions of `n` questions, with its mid-P interval."""

    exact: int
    n: int
    lo: float
    hi: float

    @property
    def value(self) -> float:
        return self.exact / self.n


def rate(completed: Sequence[Completed], confidence: float = 0.95) -> Rate | None:
    """None where no question could be cut."""
    if not completed:
        return None
    exact = sum(c.exact for c in completed)
    return Rate(exact, len(completed), *proportion(exact, len(completed), confidence))
