"""TIS: each token's policy loss is weighed by how much likelier the trainer finds it than the engine that sampled it.

Truncated importance sampling corrects for engines whose arithmetic or weights differ from the trainer's. Leaves
everything else to the base method; with an engine that agrees with the trainer every weight is 1 and it is the base
method. The name and the cap of 2 are those of public trainers; analysed in arXiv:2512.01374.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rlpipe.ops.ratios import LIMIT, log_ratio
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import Positive
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Step


def tis(recipe: Recipe, *, cap: Positive = 2.0, level: Literal["token", "sequence"] = "token") -> Recipe:
    """Weight `min(pi_old / pi_sampling, cap)`, of the token or of the whole rollout.

    cap: largest weight; 2 is common, MiniRL uses 5. level: `sequence` multiplies the ratios of a rollout's tokens.
    Logs `tis_capped`, the share of tokens whose weight was cut to the cap.
    Source: the definition of truncated importance sampling; cap 5 in MiniRL, arXiv:2512.01374. Differs: none; the
    logarithm is kept within [-20, 20], of a token and of a rollout.
    """
    return recipe.add(
        token_weights=partial(truncated, cap=cap, level=level),
        annotations=partial(cut, cap=cap, level=level),
    )


def correction(batch: Batch, level: Literal["token", "sequence"]) -> Float[Tensor, "B T"]:
    """`pi_old / pi_sampling`, > 0; 1 outside the response at token level."""
    difference = log_ratio(batch.old.logprob, batch.sampling_logprob, batch.response_mask)
    if level == "sequence":
        difference = difference.sum(-1, keepdim=True).clamp(-LIMIT, LIMIT).expand_as(difference)
    return difference.exp()


def truncated(batch: Batch, step: Step, *, cap: Scalar, level: Literal["token", "sequence"]) -> Float[Tensor, "B T"]:
    """The weight of each token, at most `cap`."""
    return correction(batch, level).clamp(max=at(cap, step.index))


def cut(batch: Batch, step: Step, *, cap: Scalar, level: Literal["token", "sequence"]) -> dict[str, Tensor]:
    """`tis_capped`: True where the cap is in force."""
    return {"tis_capped": batch.response_mask & torch.gt(correction(batch, level), at(cap, step.index))}
