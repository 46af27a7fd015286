"""Particle filtering of responses by a prefix score, with entropic annealing and look-ahead modulation as options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rlpipe.search.annealing import LOOKAHEAD_LABEL, Annealing, Lookahead, annealing_temperature, lookahead_weights
from rlpipe.search.particles import Particle, Walker
from rlpipe.search.resampling import Scheme, effective_sample_size, normalised_entropy, resample, softmax
from rlpipe.types import draw_seed


@dataclass(frozen=True)
class Filter:
    """A particle filter: its scheme, its annealing, its look-ahead. The default is the plain `pf_prefix`."""

    scheme: Scheme = "multinomial"
    annealing: Annealing | None = None
    lookahead: Lookahead | None = None
    weight_temperature: float = 1.0
    choose: str = "argmax"  # or "sample": a draw from softmax(w)

    @property
    def label(self) -> str:
        name = "pf_prefix" if self.annealing is None else f"epf_{self.annealing}"
        return name if self.lookahead is None else f"{name}+{LOOKAHEAD_LABEL}:{self.lookahead}"


ENTROPIC = Filter(scheme="systematic", annealing="ess")


@dataclass
class Trace:
    """Per step: effective sample size, normalised entropy, temperature, distinct texts among the survivors."""

    ess: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    temperature: list[float] = field(default_factory=list)
    distinct: list[int] = field(default_factory=list)


async def particle_filter(walker: Walker, count: int, how: Filter | None = None) -> tuple[int, list[Particle], Trace]:
    """(index of the chosen particle, all particles, trace) after at most `max_steps` steps.

    The weight of a particle is that of its whole prefix, replaced at every step and never accumulated; all particles,
    stopped ones too, are resampled after every step. Ties go to the lowest index.

    Source: Puri et al., arXiv:2502.01618; entropic annealing: arXiv:2510.05825.
    Differs: from textbook sequential Monte Carlo, as published, in that weights are not incremental ratios. With
    look-ahead, the temperature comes from the plain weights; the paper's look-ahead formula is not published.
    """
    how = how or Filter()
    s = walker.settings
    # Apart from the stream of the text: another scheme leaves the draws of tokens as they are.
    rng = np.random.default_rng(draw_seed(s.seed + 1, "resample", walker.prompt.id))
    particles, trace = [Particle() for _ in range(count)], Trace()
    for step in range(1, s.max_steps + 1):
        await walker.extend(particles, step)
        particles = await _resampled(walker, particles, step, how, rng, trace)
        if all(p.stopped for p in particles):
            break
    close(particles)
    w = walker.weights(particles)
    chosen = int(w.argmax()) if how.choose == "argmax" else int(rng.choice(count, p=softmax(w)))
    return chosen, particles, trace


def close(particles: Sequence[Particle]) -> None:
    """Mark what is still growing as truncated; it stays selectable."""
    for p in particles:
        p.truncated, p.stopped, p.pending = p.truncated or not p.stopped, True, None


async def _resampled(
    walker: Walker, particles: list[Particle], step: int, how: Filter, rng: np.random.Generator, trace: Trace
) -> list[Particle]:
    w, last = walker.weights(particles), walker.settings.max_steps
    p = softmax(w)
    t = 1.0 if how.annealing is None else annealing_temperature(p, step, last, how.annealing)
    if how.lookahead is not None and step < last:
        w = lookahead_weights(w, await walker.look_ahead(particles, step + 1), how.lookahead)
    indices = resample(softmax(w, t * how.weight_temperature), len(particles), how.scheme, rng)
    survivors = copies(particles, indices.tolist())
    trace.ess.append(effective_sample_size(p))
    trace.entropy.append(normalised_entropy(p))
    trace.temperature.append(t)
    trace.distinct.append(len({q.text for q in survivors}))
    return survivors


def copies(particles: Sequence[Particle], indices: Sequence[int]) -> list[Particle]:
    """Copies whose lists are their own, or siblings would grow together; only the first keeps a provisional step."""
    seen: set[int] = set()
    out = []
    for i in indices:
        p = particles[i]
        steps, pending = [list(step) for step in p.steps], None if i in seen else p.pending
        out.append(replace(p, ids=list(p.ids), steps=steps, scores=list(p.scores), pending=pending))
        seen.add(i)
    return out
