"""How the losses of tokens add up, as a weight per token made once for a whole mini-batch.

As a weight, any cut of the mini-batch into micro-batches gives the same gradient. Rollouts without response tokens are
left out of every mean.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from rlpipe.types import Batch, Step


def token_mean(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """Mean over all response tokens: every token weighs the same. Source: DAPO, arXiv:2503.14476, eq. 12."""
    mask = batch.response_mask.to(batch.advantage.dtype)
    return mask / mask.sum().clamp(min=1)


def sequence_mean(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """Mean over rollouts of the mean over their tokens: every rollout weighs the same.

    Source: GRPO, arXiv:2402.03300, eq. 3.
    """
    return sequence_sum(batch, step) / batch.response_mask.sum(-1, keepdim=True).clamp(min=1)


def sequence_sum(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """Mean over rollouts of the sum over their tokens: the rollout is one action. Source: RLOO, arXiv:2402.14740."""
    mask = batch.response_mask.to(batch.advantage.dtype)
    return mask / batch.response_mask.any(-1).sum().clamp(min=1)


def constant_length(batch: Batch, step: Step, *, length: int) -> Float[Tensor, "B T"]:
    """`sequence_sum` divided by `length` tokens, a constant: no bias towards short or long rollouts.

    Source: Dr. GRPO, arXiv:2503.20783.
    """
    return sequence_sum(batch, step) / length


def named(name: Literal["token", "sequence", "sum", "constant"], length: int = 1) -> Callable[[Batch, Step], Tensor]:
    """A reduction by the name hyperparameters use; `length` is that of `constant`."""
    if name == "constant":
        return partial(constant_length, length=length)
    return {"token": token_mean, "sequence": sequence_mean, "sum": sequence_sum}[name]
