"""Rollouts drawn independently of each other: the sampler of every method that does not choose another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rlpipe.types import Engine, Group, Prompt, Step, draw_seed


def independent(prompts: Sequence[Prompt], engine: Engine, step: Step) -> list[Group]:
    """`step.rollout.group_size` rollouts of each prompt, as groups not yet scored, in the order of the prompts.

    Each rollout's draws are keyed by (seed, step, round, prompt, sample): they depend neither on the other prompts nor
    on where a run was interrupted. A prompt met twice in one call goes on counting samples.
    """
    plan = step.rollout
    assert plan is not None, "the trainer gives every step its rollout plan"
    met: Counter[str] = Counter()
    prefixes, seeds = [], []
    for prompt in prompts:
        tokens = engine.encode(prompt.messages)
        for _ in range(plan.group_size):
            prefixes.append(tokens)
            seeds.append(draw_seed(plan.seed, step.index, plan.round, prompt.id, met[prompt.id]))
            met[prompt.id] += 1
    rollouts = engine.complete(prefixes, plan.sampling, seeds, policy_step=step.index)
    size = plan.group_size
    return [Group(prompt, tuple(rollouts[i * size : (i + 1) * size])) for i, prompt in enumerate(prompts)]
