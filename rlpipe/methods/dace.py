"""DACE: certainty is rewarded on prompts the policy mostly solves, punished on those it mostly fails. arXiv:2509.00125.

Leaves clip and reduction of the base method alone; the advantage becomes GRPO's of the shaped reward, in place of the
base's. With alpha_scale 0 it is GRPO. Needs groups without variance, so no dynamic sampling: there certainty alone
decides.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

from rlpipe.ops.advantages import group_centred, group_constant, group_mean, group_relative, on_tokens
from rlpipe.ops.masked import row_mean
from rlpipe.ops.schedules import Scalar, at
from rlpipe.ops.signals import self_certainty
from rlpipe.params.hyperparameters import Fraction, NonNegative
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Step


def dace(
    recipe: Recipe,
    *,
    alpha_scale: NonNegative = 0.05,
    beta: Fraction = 0.4,
    certainty: Literal["self_certainty", "mean_logprob"] = "self_certainty",
    standardise: bool = True,
    std_floor: NonNegative = 0.0,
) -> Recipe:
    """Reward plus `alpha_scale * sign(beta - difficulty) * certainty`, by the share of wrong answers in the group.

    alpha_scale: reward units per nat of certainty. beta: difficulty at which the sign turns. certainty: mean over
    tokens of KL(uniform || policy), or of the log-probability. standardise: divide by the group's deviation; in a group
    all right or all wrong that division cancels alpha_scale and gives certainty a full-sized advantage. std_floor:
    smallest deviation to divide by, in reward units, against the same.
    Logs `certainty_only` (share of rollouts in groups all right or all wrong, which certainty alone moves).
    Source: arXiv:2509.00125, reconstructed from its abstract and a third-party port (values: the port's).
    Differs: larger certainty means more certain, where the port says so but negates it; self-certainty
    (arXiv:2502.18581) at the sampling temperature is the default measure, the paper's is unknown; the sign is a hard
    switch; difficulty counts verdicts only, whatever else shapes the reward; standardise and std_floor are ours.
    """
    recipe = recipe.override(
        advantage=partial(
            certainty_shaped,
            alpha_scale=alpha_scale,
            beta=beta,
            certainty=certainty,
            standardise=standardise,
            std_floor=std_floor,
        )
    ).add(diagnostics={"certainty_only": partial(certainty_only, alpha_scale=alpha_scale, beta=beta)})
    return recipe.add(signals={"self_certainty": self_certainty}) if certainty == "self_certainty" else recipe


def shaped_reward(
    reward: Float[Tensor, " B"],
    direction: Float[Tensor, " B"],
    certainty: Float[Tensor, " B"],
    alpha_scale: float,
) -> Float[Tensor, " B"]:
    """`reward + alpha_scale * direction * certainty`, in reward units."""
    return reward + alpha_scale * direction.to(reward.dtype) * certainty.to(reward.dtype)


def direction_of(correct: Bool[Tensor, " B"], group: Int[Tensor, " B"], beta: float) -> Float[Tensor, " B"]:
    """`sign(beta - difficulty)`: 1 on easy prompts, -1 on hard ones, 0 at beta; of this step's group alone."""
    difficulty = group_mean((~correct).double(), group)
    return (beta - difficulty).sign()


def certainty_shaped(
    batch: Batch,
    step: Step,
    *,
    alpha_scale: Scalar,
    beta: Scalar,
    certainty: Literal["self_certainty", "mean_logprob"],
    standardise: bool,
    std_floor: Scalar,
) -> Float[Tensor, "B T"]:
    """GRPO's advantage of the shaped reward, from the policy that wrote the rollouts and without gradient."""
    mask = batch.response_mask
    measured = batch.old.logprob if certainty == "mean_logprob" else batch.old.extra["self_certainty"]
    direction = direction_of(batch.correct, batch.group, at(beta, step.index))
    reward = shaped_reward(batch.reward, direction, row_mean(measured, mask), at(alpha_scale, step.index))
    if standardise:
        return on_tokens(group_relative(reward, batch.group, std_floor=at(std_floor, step.index)), mask)
    return on_tokens(group_centred(reward, batch.group), mask)


def certainty_only(batch: Batch, step: Step, *, alpha_scale: Scalar, beta: Scalar) -> Bool[Tensor, " B"]:
    """True for rollouts of groups all right or all wrong whose certainty is paid for."""
    paid = at(alpha_scale, step.index) * direction_of(batch.correct, batch.group, at(beta, step.index)) != 0
    return group_constant(batch.correct.double(), batch.group) & paid
