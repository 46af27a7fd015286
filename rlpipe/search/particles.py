"""Partial responses that grow step by step: what searches extend, score, copy, and pay for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import exp, isnan
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from rlpipe.engine.protocol import Engine
from rlpipe.samplers.conversation import Trajectory, go_on
from rlpipe.search.resampling import SCORE_CLIP, logit
from rlpipe.types import Plan, Prompt, Request, Rollout, Sampling, draw_seed

Scorer = Callable[[Prompt, str, Sequence[Sequence[float]]], float]
Decode = Callable[[Sequence[int]], str]
EMPTY_IN_A_ROW = 2


@dataclass(frozen=True)
class SearchSettings:
    """How responses grow. A step ends after a token of `separators`, at the end token, or after `step_tokens`.

    `weight` turns a score r into a log-weight: `logit`, or `raw` = ln r. `aggregate` sums up the step scores of a
    whole sample: last, min, prod or mean. `width` is the number of copies of a kept beam. `environment` are the fields of
    a plan that make whole samples conversations.
    """

    max_new_tokens: int
    step_tokens: int
    max_steps: int
    separators: frozenset[int]
    temperature: float = 0.8
    weight: Literal["logit", "raw"] = "logit"
    aggregate: Literal["last", "min", "prod", "mean"] = "last"
    width: int = 4
    seed: int = 0
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """One step as drawn: its tokens, their log-probabilities (nats), whether the end token closed it, its score."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    ended: bool
    score: float | None = None


@dataclass
class Particle:
    """A response so far. `scores` are of the prefix after each step; `pending` is a provisional next step."""

    ids: list[int] = field(default_factory=list)
    steps: list[list[float]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    text: str = ""
    stopped: bool = False
    truncated: bool = False
    empty: int = 0
    pending: Piece | None = None


@dataclass
class Cost:
    """`generated` tokens are those up to the end of a step; `drawn` adds what an engine without stop words drew beyond.

    `nan_scores` counts scores that were NaN and taken as 0.5.
    """

    generated: int = 0
    drawn: int = 0
    scorer_calls: int = 0
    nan_scores: int = 0


def confidence(prompt: Prompt, text: str, logprobs: Sequence[Sequence[float]]) -> float:
    """Score without a reward model: exp(min(c, 0)), c the mean log-probability of the newest step.

    It rewards confident repetition: read it beside the distinct answers. Source: its_hub, confidence weights.
    """
    newest = logprobs[-1] if logprobs else []
    return exp(min(sum(newest) / len(newest), 0.0)) if newest else 0.5


class Walker:
    """Extends the particles of one prompt and keeps the account.

    `decode` turns response ids into text. The draw of slot i at step t depends on (seed, prompt, t, i) alone, never on
    the resampling scheme.
    """

    def __init__(self, engine: Engine, decode: Decode, scorer: Scorer, settings: SearchSettings, prompt: Prompt):
        self.engine, self.decode, self.scorer, self.settings, self.prompt = engine, decode, scorer, settings, prompt
        self.prefix = engine.encode(prompt.messages)
        self.cost = Cost()

    async def extend(self, particles: Sequence[Particle], step: int) -> None:
        """Add one step, scored, to every active particle; a pending step is used up first."""
        fresh = [(i, p) for i, p in enumerate(particles) if not p.stopped and p.pending is None]
        for (_, p), piece in zip(fresh, await self._draw(fresh, step, "step"), strict=True):
            p.pending = piece
        for p in particles:
            if p.pending is not None:
                self._accept(p, p.pending)

    async def look_ahead(self, particles: Sequence[Particle], step: int) -> Float[np.ndarray, "N"]:
        """Give every active particle a provisional next step; the scores r' `[N]` (r where stopped)."""
        active = [(i, p) for i, p in enumerate(particles) if not p.stopped]
        for (_, p), piece in zip(active, await self._draw(active, step, "lookahead"), strict=True):
            ids = [*p.ids, *piece.ids]
            score = self.score(self._text(ids, piece.ended), [*p.steps, list(piece.logprobs)])
            p.pending = replace(piece, score=score)
        ahead = [p.scores[-1] if p.pending is None else p.pending.score for p in particles]
        return np.array(ahead, dtype=float)

    async def complete(self, count: int, score: bool = True) -> list[Particle]:
        """`count` whole samples; scored after every step, or only at the end where `aggregate` is `last`."""
        s = self.settings
        plan = Plan(1, Sampling(s.max_new_tokens, s.temperature), s.seed, purpose="search", **s.environment)
        draws = [plan.draw(self.prompt.id, "sample", i) for i in range(count)]
        starts = [Trajectory(list(self.prefix)) for _ in draws]
        rollouts = await asyncio.gather(
            *(go_on(start, self.prompt, self.engine, plan, d) for start, d in zip(starts, draws, strict=True))
        )
        return [self._whole(r, score) for r in rollouts]

    def score(self, text: str, steps: Sequence[Sequence[float]]) -> float:
        """The scorer's r; 0.5 for NaN, counted. Raises: ValueError outside [0, 1]."""
        self.cost.scorer_calls += 1
        r = float(self.scorer(self.prompt, text, steps))
        if isnan(r):
            self.cost.nan_scores += 1
            return 0.5
        if not 0.0 <= r <= 1.0:
            raise ValueError(f"prompt {self.prompt.id}: the scorer gave {r}; scores must lie in [0, 1]")
        return r

    def weights(self, particles: Sequence[Particle]) -> Float[np.ndarray, "N"]:
        """Log-weight of every particle from its last score."""
        r = np.array([p.scores[-1] for p in particles])
        return logit(r) if self.settings.weight == "logit" else np.log(np.maximum(r, SCORE_CLIP))

    async def _draw(self, slots: Sequence[tuple[int, Particle]], step: int, kind: str) -> list[Piece]:
        s = self.settings
        pieces: dict[int, Piece] = {}
        rooms = {i: min(s.step_tokens, s.max_new_tokens - len(p.ids)) for i, p in slots}
        for room in sorted(set(rooms.values())):
            part = [(i, p) for i, p in slots if rooms[i] == room]
            seeds = [draw_seed(s.seed, "search", self.prompt.id, kind, step, i) for i, _ in part]
            prefixes = [(*self.prefix, *p.ids) for _, p in part]
            asked = [Request(p, Sampling(room, s.temperature), d) for p, d in zip(prefixes, seeds, strict=True)]
            rollouts = await asyncio.gather(*map(self.engine.complete, asked))
            pieces |= {i: self._cut(r) for (i, _), r in zip(part, rollouts, strict=True)}
        return [pieces[i] for i, _ in slots]

    def _cut(self, rollout: Rollout) -> Piece:
        """The rollout up to its first separator, which belongs to the step."""
        ids, logprobs = _written(rollout)
        end = next((n for n, token in enumerate(ids, 1) if token in self.settings.separators), len(ids))
        self.cost.drawn += len(ids)
        self.cost.generated += end
        return Piece(tuple(ids[:end]), tuple(logprobs[:end]), rollout.finish == "stop" and end == len(ids))

    def _accept(self, p: Particle, piece: Piece) -> None:
        p.pending = None
        p.ids.extend(piece.ids)
        p.steps.append(list(piece.logprobs))
        words = [i for i in piece.ids if i not in self.settings.separators]
        p.empty = 0 if self._text(words, piece.ended).strip() else p.empty + 1
        p.text = self._text(p.ids, piece.ended)
        p.truncated = not piece.ended and len(p.ids) >= self.settings.max_new_tokens
        p.stopped = piece.ended or p.truncated or p.empty >= EMPTY_IN_A_ROW
        p.scores.append(self.score(p.text, p.steps) if piece.score is None else piece.score)

    def _whole(self, rollout: Rollout, score: bool) -> Particle:
        ids, logprobs = _written(rollout)
        self.cost.drawn += len(ids)
        self.cost.generated += len(ids)
        ended = rollout.finish == "stop"
        text = rollout.text if self.settings.environment else self._text(ids, ended)
        p = Particle(ids=ids, text=text, stopped=True, truncated=not ended)
        cuts = [n for n, token in enumerate(ids, 1) if token in self.settings.separators and n < len(ids)]
        bounds = [0, *cuts, len(ids)]
        p.steps = [logprobs[a:b] for a, b in pairwise(bounds)]
        if score and self.settings.aggregate == "last":
            p.scores = [self.score(p.text, p.steps)]
        elif score:
            ends = bounds[1:]
            texts = [self._text(ids[:n], ended and n == len(ids)) for n in ends]
            p.scores = [self.score(t, p.steps[: k + 1]) for k, t in enumerate(texts)]
        return p

    def _text(self, ids: Sequence[int], ended: bool) -> str:
        return self.decode(list(ids[:-1] if ended else ids))


def _written(rollout: Rollout) -> tuple[list[int], list[float]]:
    mask = rollout.response_mask
    return rollout.tokens[mask].tolist(), rollout.logprob[mask].tolist()
