"""RLOO: REINFORCE on whole rollouts, each against the mean of the group's others. arXiv:2402.14740.

Leaves out PPO's machinery: no clip, no value model, no division by the deviation. Leaves sampling and rewards alone.
The baseline is unbiased, as a rollout's own reward is not in it; with many rollouts per prompt it is Dr. GRPO's.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from rlpipe.ops.advantages import leave_one_out, on_tokens
from rlpipe.ops.policy_losses import unclipped
from rlpipe.ops.reductions import named
from rlpipe.params.hyperparameters import Count
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Step


def rloo(
    recipe: Recipe, *, reduction: Literal["sum", "token", "sequence", "constant"] = "sum", length: Count = 1024
) -> Recipe:
    """Leave-one-out advantage on the unclipped surrogate, summed over the tokens of a rollout.

    reduction: `sum` as published, the rollout being one action; the others as in `grpo`, for comparisons at one scale.
    length: tokens, for `constant`.
    Source: Ahmadian et al., arXiv:2402.14740, the RLOO estimator.
    Differs: several updates per step reweight by the token ratio to the old policy, without a clip, where the paper
    makes one update (and the gradients agree); its KL to the reference is the method `kl_penalty` with `where: reward`.
    """
    return recipe.choose(advantage=against_the_others, policy_loss=unclipped, reduction=named(reduction, length))


def against_the_others(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """The reward minus the mean of the group's other rewards, in reward units, on every response token."""
    return on_tokens(leave_one_out(batch.reward, batch.group), batch.response_mask)
