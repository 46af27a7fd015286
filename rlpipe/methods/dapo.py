"""DAPO: GRPO that samples again where a group is all right or all wrong, clips less from above, weighs tokens alike and
fines overlong rollouts. arXiv:2503.14476.

Leaves GRPO's advantage alone; no KL. Without dynamic sampling, penalty and the higher clip it is GRPO with the token
mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from jaxtyping import Bool
from torch import Tensor

from rlpipe.ops.advantages import standardised
from rlpipe.ops.policy_losses import clipped
from rlpipe.ops.reductions import token_mean
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import AtLeastOne, Count, Fraction, NonNegative
from rlpipe.recipe import Recipe
from rlpipe.rewards.length import overlong_shaping
from rlpipe.types import Batch, Group, Step


def dapo(
    recipe: Recipe,
    *,
    clip_low: Fraction = 0.2,
    clip_high: NonNegative = 0.28,
    dual_clip: AtLeastOne = 10.0,
    dynamic_sampling: bool = True,
    overlong_penalty: NonNegative = 1.0,
    max_length: Count = 20480,
    buffer: Fraction = 0.2,
) -> Recipe:
    """Clip-higher, dynamic sampling, token mean, overlong shaping.

    clip_low, clip_high: distances from 1 at which the ratio stops counting. dual_clip: ratio beyond which the loss of a
    bad token grows no more. dynamic_sampling: keep only groups with a right and a wrong answer; the trainer draws
    further prompts until the step is full. overlong_penalty: the largest, in units of the paper's reward of +1 or -1.
    max_length: tokens at which it is reached; give the run's `max_new_tokens`, or nothing is ever overlong. buffer: the
    share of max_length over which it grows (the paper's 4096 of 20480 tokens).
    Logs `clip_fraction`, `dual_clip_fraction`, `overlong` (share of rollouts fined), and the trainer's refills.
    Source: arXiv:2503.14476: clip-higher eq. 10, dynamic sampling eq. 11, token mean eq. 12, overlong eq. 13; dual clip
    10 from its recipe in verl.
    Differs: rewards here are 1 and 0, so half the penalty is subtracted, which gives the same advantages. The number of
    further rounds of sampling is capped by the trainer.
    """
    recipe = recipe.choose(
        advantage=standardised,
        policy_loss=partial(clipped, low=clip_low, high=clip_high, dual=dual_clip),
        reduction=token_mean,
    )
    recipe = recipe.add(
        reward_shaping=partial(fine_overlong, penalty=overlong_penalty, max_length=max_length, buffer=buffer),
        diagnostics={"overlong": partial(overlong, max_length=max_length, buffer=buffer)},
    )
    return recipe.add(selection=keep_mixed) if dynamic_sampling else recipe


def keep_mixed(groups: Sequence[Group], step: Step) -> list[Group]:
    """The groups that have something to learn from."""
    return [group for group in groups if mixed(group)]


def mixed(group: Group) -> bool:
    """True for a group with right and wrong answers, and for a group of one."""
    scores = [verdict.score for verdict in group.verdicts]
    return len(scores) == 1 or min(scores) < max(scores)


def fine_overlong(
    groups: Sequence[Group], step: Step, *, penalty: Scalar, max_length: int, buffer: Scalar
) -> list[Tensor]:
    """The rewards of each group, less half the overlong penalty."""
    tokens, factor = tokens_of(buffer, max_length, step.index), at(penalty, step.index) / 2
    return overlong_shaping(groups, step, max_length=max_length, cache=tokens, factor=factor)


def tokens_of(buffer: Scalar, max_length: int, index: int) -> int:
    """The buffer in tokens, at least one."""
    return max(1, round(at(buffer, index) * max_length))


def overlong(batch: Batch, step: Step, *, max_length: int, buffer: Scalar) -> Bool[Tensor, " B"]:
    """True for rollouts long enough to be fined."""
    return batch.response_mask.sum(-1) > max_length - tokens_of(buffer, max_length, step.index)
