"""Random reward: every rollout is paid by the toss of a coin, right or wrong. arXiv:2506.10947.

The control for claims of learning: what improves under it was not taught by the reward. Leaves everything but the
reward to the base method; verdicts, and with them pass@1, are still measured and logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import Fraction, Seed
from rlpipe.recipe import Recipe
from rlpipe.rewards.random import coin_flips
from rlpipe.types import Group, Step


def random_reward(recipe: Recipe, *, probability: Fraction = 0.5, seed: Seed = 0) -> Recipe:
    """Reward 1 or 0, whatever the answer.

    probability: of reward 1. seed: of the coins, which are keyed by (seed, step, prompt, sample): they repeat when a
    run is resumed, and no text keeps its coin for the policy to learn. Runs of different seeds meet the coins of a
    prompt and step with rollouts of their own.
    Source: Spurious Rewards, arXiv:2506.10947, its random reward. Differs: none.
    """
    return recipe.choose(reward=partial(coins, probability=probability, seed=seed))


def coins(groups: Sequence[Group], step: Step, *, probability: Scalar, seed: int) -> list[Tensor]:
    """A reward in {0, 1} for every rollout."""
    return coin_flips(groups, step, seed=seed, probability=at(probability, step.index))
