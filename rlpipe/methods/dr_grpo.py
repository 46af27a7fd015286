"""Dr. GRPO: GRPO without its two divisions, by the group's deviation and by the rollout's own length. arXiv:2503.20783.

Leaves GRPO's clip, sampling and rewards alone. Both divisions were biases: towards prompts that are very easy or very
hard, and towards long wrong rollouts. With equal lengths and equal deviations it is GRPO up to a factor.
"""

from __future__ import annotations

from functools import partial

from rlpipe.ops.advantages import centred
from rlpipe.ops.policy_losses import clipped
from rlpipe.ops.reductions import constant_length
from rlpipe.params.hyperparameters import Count, Fraction, NonNegative
from rlpipe.recipe import Recipe


def dr_grpo(recipe: Recipe, *, clip_low: Fraction = 0.2, clip_high: NonNegative = 0.2, length: Count = 3000) -> Recipe:
    """Group-centred advantage, PPO's clip, sum over tokens divided by a constant length.

    clip_low, clip_high: distances from 1 at which the ratio stops counting. length: tokens every rollout's sum is
    divided by; the release divides by its longest allowed response, 3000. It scales the loss and nothing else: give the
    run's `max_new_tokens` to keep gradient norms comparable with other methods'.
    Logs `clip_fraction`.
    Source: arXiv:2503.20783, its objective; sail-sg/understand-r1-zero (`--generate_max_length 3000`).
    Differs: a group of one keeps its reward, as in verl; the paper has no such groups.
    """
    return recipe.choose(
        advantage=centred,
        policy_loss=partial(clipped, low=clip_low, high=clip_high),
        reduction=partial(constant_length, length=length),
    )
