"""Random reward: every rollout is paid by the toss of a coin, right or wrong. arXiv:2506.10947.

The control for claims of learning: what improves under it was not taught by the reward. Leaves everything but the
reward to the base method; verdicts, and with them pass@1, are still measured and logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from rlpipe.hyperparameters import Fraction
from rlpipe.ops.schedules import Scalar, at
from rlpipe.recipe import Recipe
from rlpipe.types import Group, draw_seed


def random_reward(recipe: Recipe, *, probability: Fraction = 0.5) -> Recipe:
    """Reward 1 or 0, whatever the answer.

    probability: of reward 1.
    Source: Spurious Rewards, arXiv:2506.10947 (random reward, probability 0.5). Differs: the coin is keyed by (step,
    prompt, sample, the rollout's tokens), so that it repeats when a run is resumed, differs between seeds as their
    rollouts do, and cannot be learnt, as no text keeps its coin.
    """
    return recipe.choose(reward=partial(coin, probability=probability))


def coin(groups: Sequence[Group], *, probability: Scalar) -> list[Tensor]:
    """A reward in {0, 1} for every rollout of every group."""
    return [
        torch.tensor([float(_toss(group, i) < at(probability, r.policy_step)) for i, r in enumerate(group.rollouts)])
        for group in groups
    ]


def _toss(group: Group, sample: int) -> float:
    """Uniform in [0, 1)."""
    rollout = group.rollouts[sample]
    return draw_seed("coin", rollout.policy_step, group.prompt.id, sample, *rollout.tokens.tolist()) / 2**63
