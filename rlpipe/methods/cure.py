"""CURE: every answer is cut before one of its most uncertain tokens and written again from there. arXiv:2508.11016.

Acts on sampling alone: originals and their continuations are one group of the base method, and without continuations it
is the base method. Meant for a first phase, on `dapo`; a second phase leaves it out.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rlpipe.engine.protocol import Engine, Engines
from rlpipe.ops.collate import rollouts_of
from rlpipe.params.hyperparameters import Count, Whole
from rlpipe.recipe import Recipe
from rlpipe.samplers.conversation import converse, cut_at, go_on
from rlpipe.samplers.stories import of_each_prompt
from rlpipe.types import Batch, Group, Plan, Prompt, Rollout, Step


def cure(
    recipe: Recipe,
    *,
    continuations: Whole = 3,
    pool: Count = 20,
    shortest: Whole = 2,
    choice: Literal["entropy", "random"] = "entropy",
    judged: Literal["whole", "continuation"] = "whole",
) -> Recipe:
    """Groups of n originals, each with `continuations` answers that go on from within it.

    continuations: of each original; the run's `rollouts` is the size of the whole group and a multiple of
    1 + continuations (the paper's 16 are 4 originals and 12 continuations). pool: tokens of largest entropy, one of which
    is cut at. shortest: characters of a token's text below which nothing is cut there; give 1 where numbers and signs are
    tokens of their own. choice: `random` is the control that cuts anywhere allowed. judged: `whole` answers, with what
    the continuation goes on from; or the `continuation` alone, as released, whose prefix counts as prompt.
    Logs `cure_cut_entropy` (nats; mean over continuations, of the token cut at), `cure_restarted` (share of rollouts
    begun anew, as nothing could be cut), and the trainer's `branched_share`.
    Source: arXiv:2508.11016, stage 1; selection, N1 = 4, N2 = 3 and K = 20 from its release.
    Differs: whole answers are judged, as a verifier of written work cannot read half of it; entropies are the sampling
    engine's, where the release measures once more; a continuation has what room the model leaves it, where the release
    drops the tail of a prefix too long.
    """
    story = partial(
        branch, continuations=continuations, pool=pool, shortest=shortest, choice=choice, whole=judged == "whole"
    )
    recipe = recipe.choose(sampler=of_each_prompt(story))
    return recipe.add(diagnostics={"cure_cut_entropy": cut_entropy, "cure_restarted": restarted})


async def branch(
    prompt: Prompt,
    engines: Engines,
    plan: Plan,
    *,
    continuations: int,
    pool: int,
    shortest: int,
    choice: str,
    whole: bool,
) -> Group:
    """The originals, then the continuations of each in turn. Raises: ValueError if the group cannot be split so."""
    if plan.group_size % (1 + continuations):
        raise ValueError(
            f"cure: {plan.group_size} rollouts are no multiple of 1 + continuations = {1 + continuations}; change "
            f"train.rollouts or cure.continuations"
        )
    engine, count = engines["policy"], plan.group_size // (1 + continuations)
    originals = await asyncio.gather(*converse(prompt, engine, plan, range(plan.first, plan.first + count)))
    again = []
    for i, original in enumerate(originals):
        draw = random.Random(plan.draw(prompt.id, plan.first + i, "cut"))
        cut = place_to_cut(original, engine, pool, shortest, choice, draw)
        seeds = [plan.draw(prompt.id, plan.first + i, "branch", j) for j in range(continuations)]
        again += [continued(original, i, cut, prompt, engine, plan, seed, whole) for seed in seeds]
    return Group(prompt, (*originals, *await asyncio.gather(*again)))


def place_to_cut(rollout: Rollout, engine: Engine, pool: int, shortest: int, choice: str, draw: random.Random) -> int:
    """The place in `rollout.tokens` of the token to write again; that of the first response token if none qualifies.

    The first response token, special tokens and tokens whose text is short are passed over.
    """
    places = rollout.response_mask.nonzero().squeeze(-1).tolist()
    order = sorted(places[1:], key=lambda i: -float(rollout.entropy[i]))
    if choice == "random":
        draw.shuffle(order)
    kept: list[int] = []
    for i in order:
        token = int(rollout.tokens[i])
        if len(kept) < pool and token not in engine.special_ids and len(engine.decode([token]).strip()) >= shortest:
            kept.append(i)
    return draw.choice(kept) if kept else int(places[0])


async def continued(
    original: Rollout, parent: int, cut: int, prompt: Prompt, engine: Engine, plan: Plan, seed: int, whole: bool
) -> Rollout:
    """A rollout that goes on from before token `cut` of its parent; what it goes on from is prompt to it."""
    rollout = await go_on(cut_at(original, cut, engine, whole), prompt, engine, plan, seed)
    return replace(rollout, parent=parent, branched_at=cut)


def _cuts(batch: Batch) -> list[tuple[Rollout, Rollout | None]]:
    """Every rollout of the batch with its parent, None for originals."""
    owners = zip(rollouts_of(batch), batch.group.tolist(), strict=True)
    return [(r, None if r.parent is None else batch.groups[g].rollouts[r.parent]) for r, g in owners]


def cut_entropy(batch: Batch, step: Step) -> Float[Tensor, " B"]:
    """Entropy of the parent's token cut at, scaled so that the mean over all rollouts is that over continuations."""
    cuts = _cuts(batch)
    values = [0.0 if p is None else float(p.entropy[r.branched_at or 0]) for r, p in cuts]
    branched = sum(p is not None for _, p in cuts)
    return torch.tensor(values) * (len(values) / max(branched, 1))


def restarted(batch: Batch, step: Step) -> Float[Tensor, " B"]:
    """1 for rollouts that begin at the prompt although they have a parent."""
    return torch.tensor(
        [float(p is not None and r.branched_at == int(p.response_mask.int().argmax())) for r, p in _cuts(batch)]
    )
