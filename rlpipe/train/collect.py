"""From a pool of prompts to scored groups: curriculum, sampler, verifiers, rewards, filters, refills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlpipe.recipe import Recipe
from rlpipe.types import Engine, Group, Prompt, Step, Verdict
from rlpipe.verifiers.error_rate import ErrorRate
from rlpipe.verifiers.verify import verify_many


@dataclass(frozen=True)
class Collected:
    """`kept` groups are trained on; `sampled` are all that were drawn for them, in the order they were drawn."""

    kept: tuple[Group, ...]
    sampled: tuple[Group, ...]
    refills: int

    @property
    def num_tokens(self) -> int:
        """Response tokens sampled."""
        return sum(r.response_length for g in self.sampled for r in g.rollouts)


def collect(
    pool: Sequence[Prompt],
    engine: Engine,
    recipe: Recipe,
    step: Step,
    num_prompts: int,
    max_refills: int,
    errors: ErrorRate,
) -> Collected:
    """Scored groups of `num_prompts` prompts that pass the recipe's filters, refilled from the pool as often as allowed.

    Raises: VerifierErrors when more answers than allowed made the verifier fail.
    """
    assert recipe.curriculum is not None
    assert recipe.sampler is not None
    kept: list[Group] = []
    sampled: list[Group] = []
    assert step.rollout is not None
    for refills in range(max_refills + 1):
        step = replace(step, rollout=replace(step.rollout, round=refills))
        prompts = recipe.curriculum(pool, num_prompts - len(kept), step)
        groups = score(recipe.sampler(prompts, engine, step), recipe, errors)
        sampled += groups
        kept += [g for g in groups if all(keep(g) for keep in recipe.group_filters)]
        if len(kept) >= num_prompts:
            break
    return Collected(tuple(kept[:num_prompts]), tuple(sampled), refills)


def score(groups: Sequence[Group], recipe: Recipe, errors: ErrorRate) -> list[Group]:
    """The groups with verdicts and shaped rewards."""
    assert recipe.reward is not None
    judged = _judge(groups, errors)
    rewards = recipe.reward(judged)
    for shape in recipe.reward_shaping:
        rewards = shape(judged, rewards)
    return [replace(g, reward=r.float()) for g, r in zip(judged, rewards, strict=True)]


def _judge(groups: Sequence[Group], errors: ErrorRate) -> list[Group]:
    pairs = [(g.prompt, r.text) for g in groups for r in g.rollouts]
    verdicts: list[Verdict] = verify_many(pairs)
    errors.observe(verdicts, [prompt.id for prompt, _ in pairs])
    judged, start = [], 0
    for g in groups:
        end = start + len(g.rollouts)
        judged.append(replace(g, verdicts=tuple(verdicts[start:end])))
        start = end
    return judged
