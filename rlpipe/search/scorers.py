"""Scores that guide a search, in [0, 1], of a response or its beginning.

With verifiable rewards and no reward model, what a policy thinks of its own tokens is all an honest search may look at.
The verifier knows the answer: as a scorer it is an oracle, an upper bound on what selection could do, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp

from rlpipe.search.particles import Scorer, confidence
from rlpipe.search.settings import ORACLE
from rlpipe.types import Prompt, Verdict

UNDECIDED = 0.5


def likelihood(prompt: Prompt, text: str, logprobs: Sequence[Sequence[float]]) -> float:
    """exp(c), c the mean log-probability of all tokens so far, of the distribution they were drawn from.

    Of a whole response it is the score behind `best_of@k`. Like `confidence` it rewards what the policy would say anyway.
    """
    count = sum(map(len, logprobs))
    return exp(min(sum(map(sum, logprobs)) / count, 0.0)) if count else UNDECIDED


def oracle(verify: Callable[[Prompt, str], Verdict]) -> Scorer:
    """1 for a text that `verify` accepts, else 0.5: a beginning has no answer yet, and is not wrong for that."""

    def score(prompt: Prompt, text: str, logprobs: Sequence[Sequence[float]]) -> float:
        return 1.0 if verify(prompt, text).correct else UNDECIDED

    return score


def scorer(name: str, verify: Callable[[Prompt, str], Verdict]) -> Scorer:
    """The scorer of a name of `SCORERS`. Raises: KeyError for another name."""
    return {"likelihood": likelihood, "confidence": confidence, ORACLE: oracle(verify)}[name]
