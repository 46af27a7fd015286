"""A sampler is written as the story of one prompt, a coroutine, and told of all prompts at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rlpipe.engine.protocol import Engines
from rlpipe.types import Group, Plan, Prompt

Story = Callable[[Prompt, Engines, Plan], Coroutine[Any, Any, Group]]
Sampler = Callable[[Sequence[Prompt], Engines, Plan], Coroutine[Any, Any, list[Group]]]


def of_each_prompt(story: Story) -> Sampler:
    """The sampler that tells `story` of every prompt, all side by side; groups in the order of the prompts.

    A prompt met again in one call goes on counting samples, so that it is not answered with the same draws.
    """
    return partial(_tell, story)


async def _tell(story: Story, prompts: Sequence[Prompt], engines: Engines, plan: Plan) -> list[Group]:
    met: Counter[str] = Counter()
    told = []
    for prompt in prompts:
        told.append(story(prompt, engines, replace(plan, first=plan.first + met[prompt.id])))
        met[prompt.id] += plan.group_size
    return list(await asyncio.gather(*told))
