"""EPO: an entropy bonus over whole conversations, held inside a corridor around its own history. arXiv:2509.22576.

Adds a loss and nothing else, and stacks on any base; with coefficient 0 it is the base. Meant for many turns and a
reward at the end, where entropy first collapses and then cascades; a single turn is the special case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from rlpipe.ops.masked import masked, row_mean
from rlpipe.ops.schedules import Scalar, at
from rlpipe.params.hyperparameters import NonNegative, Whole
from rlpipe.recipe import Recipe
from rlpipe.types import Batch, Group, Signals, Step, TokenLoss


def epo(
    recipe: Recipe,
    *,
    coefficient: NonNegative = 0.001,
    version: Literal["paper", "released"] = "paper",
    low: NonNegative = 0.5,
    high: NonNegative = 1.5,
    smoothing: NonNegative = 0.1,
    gamma: NonNegative = 1.0,
    penalise: Literal["token", "sequence"] = "token",
    active_from: Whole = 25,
    epoch_weight: bool = False,
) -> Recipe:
    """Adds `-coefficient * (mean entropy - beta * smoothing * mean distance to the corridor)`.

    coefficient: lambda, per nat. low, high: edges of the corridor, as shares of the mean entropy of the steps before.
    smoothing: alpha; with `released` the constant penalty. gamma: how fast beta falls from 2 to about 1. version: in
    the `paper` the distance has a gradient; as `released` every token outside pays a constant, without a gradient, by
    the history of its turn. penalise, active_from, epoch_weight: of `released` alone: by token or by the rollout's mean;
    turn from which anything is penalised (half of its max_step of 50); its optional weight over the run.
    Logs `epo_outside` (share of tokens outside the corridor), `epo_anchor` (nats, the corridor's centre; 0 before there
    is a history) and `epo_penalty` (nats per token); tokens carry `epo_centre` and `epo_mean`, the weights of its mean.
    Source: arXiv:2509.22576 (0.5, 1.5, 0.1 recommended); release WujiangXu/EPO (coefficient 0.001).
    Differs: gamma is not given there: 1. The release trains as an entropy bonus alone, as its penalty is a constant, and
    with an empty history it raises; here that is no penalty. It asks for the turn within a micro-batch, here the
    mini-batch is asked; its rollout means take padding along, here they do not.
    """
    history = History(by_turn=version == "released")
    if version == "paper":
        loss: Any = partial(smoothed, coefficient=coefficient, low=low, high=high, alpha=smoothing, gamma=gamma)
    else:
        loss = partial(released, coefficient=coefficient, penalty=smoothing, epoch_weight=epoch_weight)
    edges = partial(corridor, history=history, low=low, high=high, penalise=penalise, active_from=active_from)
    recipe = recipe.add(annotations=edges, auxiliary_losses=loss)
    return recipe.add(diagnostics={"epo_anchor": partial(centre, history=history)})


class History:
    """Mean entropies, nats, of the steps so far: of the whole step, and of each turn."""

    def __init__(self, by_turn: bool):
        self.by_turn = by_turn
        self.steps: list[list[float]] = []

    def anchor(self, turn: Tensor) -> Float[Tensor, "B T"]:
        """The mean over steps for each token; 0 where there is none yet."""
        width = max(map(len, self.steps), default=0)
        seen = [[s[t] for s in self.steps if t < len(s)] for t in range(width)]
        means = torch.tensor([*(sum(v) / len(v) for v in seen), 0.0], dtype=torch.float64, device=turn.device)
        place = turn if self.by_turn else torch.zeros_like(turn)
        return means[torch.where(place < width, place, -1).clamp(min=-1)]

    def observe(self, groups: Sequence[Group], batch: Batch | None, metrics: Mapping[str, Any]) -> None:
        if batch is None:
            return
        if not self.by_turn:
            self.steps.append([float((batch.old.entropy * turn_mean(batch)).sum())])
            return
        turns = range(int(batch.turn.max()) + 1)
        chosen = [batch.old.entropy[batch.turn == t].double() for t in turns]
        self.steps.append([float(x.mean()) for x in chosen])

    def state_dict(self) -> dict[str, Any]:
        return {"steps": [list(s) for s in self.steps]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = [list(s) for s in state["steps"]]


def turn_mean(batch: Batch) -> Float[Tensor, "B T"]:
    """Weights of the mean over rollouts of the mean over their turns of the mean over its tokens; they sum to 1."""
    turns = batch.turn.clamp(min=0)
    size = int(turns.max()) + 1 if turns.numel() else 1
    mask = batch.response_mask.double()
    tokens = torch.zeros(len(batch), size, dtype=torch.float64, device=mask.device).scatter_add(1, turns, mask)
    each = tokens.gather(1, turns).clamp(min=1) * (tokens > 0).sum(1, keepdim=True).clamp(min=1)
    return masked(mask / each, batch.response_mask) / batch.response_mask.any(-1).sum().clamp(min=1)


def corridor(
    batch: Batch,
    step: Step,
    *,
    history: History,
    low: Scalar,
    high: Scalar,
    penalise: Literal["token", "sequence"],
    active_from: int,
) -> dict[str, Tensor]:
    """The corridor's centre for every token, the tokens outside by the policy at the start, and the mean's weights."""
    mask = batch.response_mask
    anchor = centre(batch, step, history=history)
    entropy = batch.old.entropy.double()
    if penalise == "sequence":
        entropy = row_mean(entropy, mask)[:, None].expand(mask.shape)
    inside = (at(low, step.index) * anchor < entropy) & (entropy < at(high, step.index) * anchor)
    active = not history.by_turn or int(batch.turn.max()) >= active_from
    outside = mask & (anchor > 0) & ~inside & active
    mean = mask.double() / mask.sum().clamp(min=1) if history.by_turn else turn_mean(batch)
    return {"epo_outside": outside, "epo_centre": anchor, "epo_mean": mean}


def centre(batch: Batch, step: Step, *, history: History) -> Float[Tensor, "B T"]:
    """The corridor's centre for every token, nats."""
    return masked(history.anchor(batch.turn), batch.response_mask)


def smoothed(
    policy: Signals,
    batch: Batch,
    step: Step,
    *,
    coefficient: Scalar,
    low: Scalar,
    high: Scalar,
    alpha: Scalar,
    gamma: Scalar,
) -> TokenLoss:
    """The paper's loss: `-lambda (H - beta alpha P)` with P the distance in nats to the corridor of the history."""
    anchor, i = batch.annotations["epo_centre"].to(policy.entropy.dtype), step.index
    entropy = masked(policy.entropy, batch.response_mask)
    distance = (at(low, i) * anchor - entropy).clamp(min=0) + (entropy - at(high, i) * anchor).clamp(min=0)
    distance = torch.where(anchor > 0, distance, torch.zeros_like(distance))
    held = fade(i, step.total, at(gamma, i)) * at(alpha, i) * distance
    loss = at(coefficient, i) * (held - entropy)
    return TokenLoss(loss, {"epo_penalty": held}, batch.annotations["epo_mean"].to(loss.dtype))


def fade(index: int, total: int, gamma: float) -> float:
    """`beta_k = 1 + exp(-gamma k / k_mid)` with `k_mid = floor(K / 2)`: 2 at first, falling towards 1."""
    return 1 + math.exp(-gamma * index / max(total // 2, 1))


def released(
    policy: Signals, batch: Batch, step: Step, *, coefficient: Scalar, penalty: Scalar, epoch_weight: bool
) -> TokenLoss:
    """The release's loss: `-c (H - s)` with a constant s on tokens outside, averaged over tokens; s has no gradient."""
    weight = weight_over_run(step.index, step.total) if epoch_weight else 1.0
    held = weight * at(penalty, step.index) * batch.annotations["epo_outside"].to(policy.entropy.dtype)
    loss = at(coefficient, step.index) * (held - masked(policy.entropy, batch.response_mask))
    return TokenLoss(loss, {"epo_penalty": held}, batch.annotations["epo_mean"].to(loss.dtype))


def weight_over_run(index: int, total: int) -> float:
    """1 to 0.83 over the first half of the run, then 0.8 falling to 0.04; it jumps in the middle, as released."""
    half = total / 2
    if index <= half:
        return 1 - 0.2 * (1 - math.exp(-2 * index / half))
    return 0.8 * math.exp(-3 * (index - half) / half)
