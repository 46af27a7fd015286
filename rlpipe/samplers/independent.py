"""Rollouts drawn independently of each other: the sampler of every method that does not choose another."""

from __future__ import annotations

import asyncio

from rlpipe.engine.protocol import Engines
from rlpipe.samplers.conversation import converse
from rlpipe.samplers.stories import of_each_prompt
from rlpipe.types import Group, Plan, Prompt


async def answers(prompt: Prompt, engines: Engines, plan: Plan) -> Group:
    """`plan.group_size` rollouts of the prompt, not yet judged.

    Each rollout's draws are keyed by (seed, step, round, prompt, sample): they depend neither on the other prompts nor
    on where a run was interrupted.
    """
    samples = range(plan.first, plan.first + plan.group_size)
    return Group(prompt, tuple(await asyncio.gather(*converse(prompt, engines["policy"], plan, samples))))


independent = of_each_prompt(answers)
