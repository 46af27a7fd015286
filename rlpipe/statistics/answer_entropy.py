"""How varied the answers to one problem are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

NO_ANSWER = "NA"


@dataclass(frozen=True)
class AnswerEntropy:
    """Entropy of the answers to one problem, in nats."""

    nats: float
    num_answers: int  # distinct, no answer counting as one
    num_samples: int

    @property
    def miller_madow(self) -> float:
        """With the first-order correction of the bias that few samples bring, (K - 1) / (2 n)."""
        return self.nats + (self.num_answers - 1) / (2 * self.num_samples)

    @property
    def effective(self) -> float:
        """Answers that would be as varied if they were all equally likely: exp of the entropy."""
        return exp(self.nats)


def answer_entropy(answers: Sequence[Hashable | None], valid_only: bool = False) -> AnswerEntropy | None:
    """-sum p ln p over distinct canonical answers; no answer (None) is one of them, or left out if `valid_only`.

    Returns: None if nothing is left.
    Source: The Invisible Leash, arXiv:2507.14843, answer-level entropy. Differs: none.
    """
    kept = [(a is not None, a if a is not None else NO_ANSWER) for a in answers if a is not None or not valid_only]
    if not kept:
        return None
    # Largest first: a fixed order of summation, whatever the order of the samples.
    shares = np.sort(np.array(list(Counter(kept).values()), dtype=float))[::-1] / len(kept)
    return AnswerEntropy(float(-(shares * np.log(shares)).sum()) + 0.0, len(shares), len(kept))
