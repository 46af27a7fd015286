"""From a pool of prompts to scored groups: curriculum, sampler, judge, rewards, selection, refills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from rlpipe.engine.batched import together
from rlpipe.engine.protocol import Engines
from rlpipe.recipe import Recipe
from rlpipe.types import Group, Prompt, Step
from rlpipe.verifiers.error_rate import ErrorRate


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
    engines: Engines,
    recipe: Recipe,
    step: Step,
    num_prompts: int,
    max_refills: int,
    errors: ErrorRate,
) -> Collected:
    """Scored groups of `num_prompts` prompts that the recipe selects, refilled from the pool as often as allowed.

    Selection sees all groups of the step so far. Prompts are counted, not groups (a prompt as
    often as it was drawn), and a group is never cut.
    Raises: VerifierErrors when more answers than allowed made the verifier fail.
    """
    assert recipe.curriculum is not None
    assert recipe.sampler is not None
    assert step.plan is not None
    kept: list[Group] = []
    sampled: list[Group] = []
    drawn: Counter[str] = Counter()
    for refills in range(max_refills + 1):
        plan = replace(step.plan, step=step.index, round=refills)
        step = replace(step, plan=plan)
        prompts = recipe.curriculum(pool, num_prompts - _served(drawn, kept), step)
        drawn.update(p.id for p in prompts)
        sampled += score(together([recipe.sampler(prompts, engines, plan)])[0], recipe, step, errors)
        kept = sampled
        for select in recipe.selection:
            kept = list(select(kept, step))
        if _served(drawn, kept) >= num_prompts:
            break
    return Collected(tuple(kept), tuple(sampled), refills)


def score(groups: Sequence[Group], recipe: Recipe, step: Step, errors: ErrorRate) -> list[Group]:
    """The groups with verdicts, reward terms and shaped rewards."""
    assert recipe.judge is not None
    assert recipe.reward is not None
    judged = list(recipe.judge(groups, step))
    errors.observe([v for g in judged for v in g.verdicts], [g.prompt.id for g in judged for _ in g.verdicts])
    for name, term in recipe.reward_terms.items():
        values = _of_each(judged, term(judged, step), name)
        judged = [replace(g, reward_terms={**g.reward_terms, name: v}) for g, v in zip(judged, values, strict=True)]
    for reward in (recipe.reward, *recipe.reward_shaping):
        values = _of_each(judged, reward(judged, step), "reward")
        judged = [replace(g, reward=v) for g, v in zip(judged, values, strict=True)]
    return judged


def _of_each(groups: Sequence[Group], values: Sequence[Tensor], name: str) -> list[Tensor]:
    """The values as numbers. Raises: ValueError where they are not one for each rollout of their group."""
    for group, value in zip(groups, values, strict=True):
        if value.shape != (len(group.rollouts),):
            found, wanted = tuple(value.shape), len(group.rollouts)
            raise ValueError(f"prompt {group.prompt.id}: {name} has shape {found}, but there are {wanted} rollouts")
    return [value.float() for value in values]


def _served(drawn: Mapping[str, int], kept: Sequence[Group]) -> int:
    """Prompts drawn that have a group among those kept; several groups of one draw are one."""
    groups = Counter(g.prompt.id for g in kept)
    return sum(min(times, groups[name]) for name, times in drawn.items())
