"""Entropy bonus: the loss is lowered by the policy's entropy at every token. arXiv:1602.01783.

Leaves advantage, clip and reduction of the base method alone; coefficient 0 is the base method. It moves the optimum:
it is a KL penalty towards the uniform distribution.
"""

from __future__ import annotations

from functools import partial

from rlpipe.ops.masked import masked
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import Real
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Signals, Step, TokenLoss


def entropy_bonus(recipe: Recipe, *, coefficient: Real = 0.01) -> Recipe:
    """Adds `-coefficient * entropy`, added up as the policy loss is.

    coefficient: per nat; most recipes for language models have 0, others 0.001 to 0.01; below 0 it is a penalty.
    Logs `entropy_bonus`, the bonus per token in nats x coefficient.
    Source: A3C, arXiv:1602.01783, section 4 (coefficient 0.01). Differs: none; the gradient is that of the whole
    distribution's entropy. The entropy of the sampled token, -log pi(y_t), has expected gradient 0 and is no bonus.
    """
    return recipe.add(auxiliary_losses=partial(negative_entropy, coefficient=coefficient))


def negative_entropy(policy: Signals, batch: Batch, step: Step, *, coefficient: Scalar) -> TokenLoss:
    """`-coefficient * H`, 0 outside the response."""
    bonus = at(coefficient, step.index) * masked(policy.entropy, batch.response_mask)
    return TokenLoss(-bonus, {"entropy_bonus": bonus})
