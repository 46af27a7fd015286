"""Every prompt equally often: shuffled epochs over the pool; the curriculum where no method chooses another."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from rlpipe.types import Prompt, Step, draw_seed


class Uniform:
    """Draws prompts without replacement, epoch after epoch; the order of an epoch is keyed by (seed, epoch).

    Its only memory is how many prompts it has given out, over all rounds of all steps.
    """

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, pool: Sequence[Prompt], n: int, step: Step) -> list[Prompt]:
        """The next `n` prompts. Raises: ValueError if the pool is empty."""
        if not pool:
            raise ValueError("the pool has no prompts to train on; look at `split` in prompts.parquet")
        assert step.plan is not None, "the trainer gives every step its plan"
        drawn: list[Prompt] = []
        while len(drawn) < n:
            epoch, start = divmod(self.given, len(pool))
            order = _order(len(pool), step.plan.seed, epoch)[start : start + n - len(drawn)]
            drawn += [pool[i] for i in order]
            self.given += len(order)
        return drawn

    def observe(self, groups: Sequence[Any], batch: Any, metrics: Mapping[str, Any]) -> None:
        """Nothing a step brings changes what comes next."""

    def state_dict(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.given = state["given"]


def _order(size: int, seed: int, epoch: int) -> list[int]:
    order = list(range(size))
    random.Random(draw_seed("uniform", seed, epoch)).shuffle(order)
    return order
