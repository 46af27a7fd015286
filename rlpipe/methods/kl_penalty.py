"""KL penalty: the policy is held to the reference policy, by a loss of its own or inside the reward. arXiv:2402.03300.

Leaves advantage, clip and reduction of the base method alone; coefficient 0 is the base method. The estimator decides
what is optimised: on-policy, k2 in the loss and k1 in the reward lead to the optimum of reward minus KL(policy ||
reference), k3 in the loss to another, k1 in the loss nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from rlpipe.ops.divergences import Estimator, divergence
from rlpipe.ops.masked import masked
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import NonNegative
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Signals, Step, TokenLoss


def kl_penalty(
    recipe: Recipe,
    *,
    coefficient: NonNegative = 0.04,
    estimator: Literal["k1", "k2", "k3", "k3+", "abs"] = "k3",
    where: Literal["loss", "reward"] = "loss",
) -> Recipe:
    """Adds `coefficient * estimate` to each token's loss, or takes a rollout's sum of it from its reward.

    coefficient: per nat. estimator: with d = log reference - log policy: k1 = -d, k2 = d^2/2, k3 = exp(d) - d - 1,
    `k3+` the value of k3 with the gradient of k2, abs = |d|. where: `loss`; or `reward`, before the advantage, with the
    old policy and no gradient (k1 belongs there).
    Logs `kl_penalty` (mean estimate per token, nats; in the loss), and the trainer's `kl_reference`.
    Source: DeepSeekMath, arXiv:2402.03300, eq. 4 (k3 in the loss, 0.04); estimators of Schulman, Approximating KL
    Divergence, 2020. Differs: in the reward, the whole rollout's sum is taken from the reward of the base method's
    advantage, as verl does for outcome rewards; for a penalty on each token's return use `reinforce_pp` with `kl`.
    """
    recipe = recipe.need("reference")
    if where == "reward":
        return recipe.wrap(advantage=partial(penalised_reward, coefficient=coefficient, estimator=estimator))
    return recipe.add(auxiliary_losses=partial(divergence_loss, coefficient=coefficient, estimator=estimator))


def divergence_loss(
    policy: Signals, batch: Batch, step: Step, *, coefficient: Scalar, estimator: Estimator
) -> TokenLoss:
    """`coefficient * divergence(policy, reference)`, 0 outside the response."""
    estimate = divergence(
        masked(policy.logprob, batch.response_mask), masked(_reference(batch), batch.response_mask), estimator
    )
    return TokenLoss(at(coefficient, step.index) * estimate, {"kl_penalty": estimate})


def penalised_reward(
    batch: Batch,
    step: Step,
    *,
    inner: Callable[[Batch, Step], Tensor],
    coefficient: Scalar,
    estimator: Estimator,
) -> Float[Tensor, "B T"]:
    """The base method's advantage of `reward - coefficient * sum_t divergence(old, reference)`."""
    mask = batch.response_mask
    estimate = divergence(masked(batch.old.logprob, mask), masked(_reference(batch), mask), estimator)
    return inner(replace(batch, reward=batch.reward - at(coefficient, step.index) * estimate.sum(-1)), step)


def _reference(batch: Batch) -> Float[Tensor, "B T"]:
    assert batch.reference is not None, "the recipe asked for the reference policy"
    return batch.reference.logprob
