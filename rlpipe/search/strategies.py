"""Searches over the responses of a policy: one prompt, one method, one size.

Every search returns the chosen answer, all its particles and what it cost. `oracle` (any particle correct) and
`majority` stand beside the selected accuracy: they tell lost diversity from failed selection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, prod

import numpy as np

from rlpipe.engine.protocol import Engine
from rlpipe.search.particle_filter import ENTROPIC, Filter, Trace, close, copies, particle_filter
from rlpipe.search.particles import Cost, Decode, Particle, Scorer, SearchSettings, Walker
from rlpipe.statistics.votes import consensus
from rlpipe.types import Prompt, Verdict

Verify = Callable[[Prompt, str], Verdict]
METHODS: dict[str, Filter | str] = {
    "pf_prefix": Filter(),
    "epf": ENTROPIC,
    "best_of_n": "best_of_n",
    "self_consistency": "self_consistency",
    "weighted_vote": "weighted_vote",
    "beam": "beam",
    "dvts": "dvts",
}


@dataclass(frozen=True)
class SearchResult:
    """What one search found. `answers` (canonical, None for none) and `correct` are of every particle."""

    method: str
    chosen: int
    answer: str | None
    particles: tuple[Particle, ...]
    answers: tuple[str | None, ...]
    correct: tuple[bool, ...]
    cost: Cost
    trace: Trace | None = None

    @property
    def selected(self) -> bool:
        return self.correct[self.chosen]

    @property
    def oracle(self) -> bool:
        return any(self.correct)

    @property
    def majority(self) -> float:
        """Score of the plurality answer of the particles, ties split."""
        return consensus(self.answers, [float(c) for c in self.correct])


async def search(
    method: str | Filter,
    engine: Engine,
    decode: Decode,
    prompt: Prompt,
    scorer: Scorer,
    verify: Verify,
    settings: SearchSettings,
    particles: int,
) -> SearchResult:
    """Run one method (a name of `METHODS`, or a `Filter`) on one prompt with a budget of `particles`.

    Raises: ValueError for an unknown method, particles < 1, or beams that `width` does not divide.
    Source: arXiv:2502.01618, arXiv:2510.05825; beam search and DVTS: Hugging Face search-and-learn.
    Differs: stopped beams stay among the candidates.
    """
    how = METHODS.get(method) if isinstance(method, str) else method
    if how is None or particles < 1:
        raise ValueError(
            f"search: method = {method!r} with {particles} particles; needs >= 1 and one of {list(METHODS)}"
        )
    walker = Walker(engine, decode, scorer, settings, prompt)
    name, trace = method if isinstance(method, str) else method.label, None
    if isinstance(how, Filter):
        chosen, found, trace = await particle_filter(walker, particles, how)
    elif how in ("beam", "dvts"):
        found = await _beams(walker, particles, separate=how == "dvts")
        chosen = int(walker.weights(found).argmax())
    else:
        chosen, found = -1, await walker.complete(particles, score=how != "self_consistency")
    verdicts = [verify(prompt, p.text) for p in found]
    answers = tuple(v.canonical for v in verdicts)
    if chosen < 0:
        chosen = _choose(str(how), answers, [aggregate(p.scores, settings.aggregate) for p in found])
    correct = tuple(v.correct for v in verdicts)
    return SearchResult(name, chosen, answers[chosen], tuple(found), answers, correct, walker.cost, trace)


def aggregate(scores: Sequence[float], how: str = "last") -> float:
    """One score of a sample from those of its steps; NaN without any."""
    if not scores:
        return float("nan")
    values = {"last": scores[-1], "min": min(scores), "prod": prod(scores), "mean": fsum(scores) / len(scores)}
    return float(values[how])


def vote(answers: Sequence[str | None], weights: Sequence[float]) -> int:
    """Index of the first particle with the answer of largest weight; ties to the smallest answer, 0 if none votes."""
    votes: dict[str, list[float]] = {}
    for answer, w in zip(answers, weights, strict=True):
        if answer is not None:
            votes.setdefault(answer, []).append(w)
    if not votes:
        return 0
    return list(answers).index(min(votes, key=lambda a: (-fsum(votes[a]), a)))


def _choose(how: str, answers: Sequence[str | None], scores: Sequence[float]) -> int:
    if how == "best_of_n":
        return int(np.argmax(scores))
    return vote(answers, [1.0] * len(answers) if how == "self_consistency" else scores)


async def _beams(walker: Walker, count: int, separate: bool) -> list[Particle]:
    """N beams, of which the best N/m are kept and copied m times; `separate` keeps the best of each m instead."""
    s, m = walker.settings, walker.settings.width
    if count % m:
        raise ValueError(f"search: {count} beams are not a multiple of width = {m}")
    beams = [Particle() for _ in range(count)]
    for step in range(1, s.max_steps + 1):
        await walker.extend(beams, step)
        if step == s.max_steps or all(p.stopped for p in beams):
            break
        w = walker.weights(beams)
        if separate:
            kept = [start + int(w[start : start + m].argmax()) for start in range(0, count, m)]
        else:
            kept = np.argsort(-w, kind="stable")[: count // m].tolist()
        beams = copies(beams, [i for i in kept for _ in range(m)])
    close(beams)
    return beams
