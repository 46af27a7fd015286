"""GRPO: a rollout is worth its reward against its group's mean, in units of the group's deviation. arXiv:2402.03300.

Leaves sampling, rewards and curriculum alone. With wide clips it is REINFORCE with a group baseline; where all rewards
of a group are equal it learns nothing from that group.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from rlpipe.ops.advantages import standardised
from rlpipe.ops.policy_losses import clipped
from rlpipe.ops.reductions import named
from rlpipe.params.hyperparameters import Count, Fraction, NonNegative
from rlpipe.recipe import Recipe


def grpo(
    recipe: Recipe,
    *,
    clip_low: Fraction = 0.2,
    clip_high: NonNegative = 0.2,
    reduction: Literal["sequence", "token", "constant"] = "sequence",
    length: Count = 1024,
) -> Recipe:
    """Group-standardised advantage, PPO's clip, mean over rollouts of the mean over tokens.

    clip_low, clip_high: distances from 1 at which the ratio stops counting. reduction: `sequence` as published; `token`
    weighs every token alike (DAPO's); `constant` divides each rollout's sum by `length` tokens (Dr. GRPO's).
    length: tokens, for `constant`; 1024 is the paper's longest response.
    Logs `clip_fraction`.
    Source: DeepSeekMath, arXiv:2402.03300, eq. 3 and section 4.1.2; clip of PPO, arXiv:1707.06347, eq. 7.
    Differs: the KL term of eq. 3 (coefficient 0.04) is a method of its own, `kl_penalty`; unbiased deviation and
    epsilon 1e-6 as in verl. The paper prints no clip; 0.2 is PPO's and every public recipe's.
    """
    return recipe.choose(
        advantage=standardised,
        policy_loss=partial(clipped, low=clip_low, high=clip_high),
        reduction=named(reduction, length),
    )
