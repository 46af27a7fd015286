"""The training step, front to back: sample, score, assign credit, update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlpipe.policy.forward import Policy
from rlpipe.recipe import Recipe
from rlpipe.train.collate import collate, micro_batches, mini_batches
from rlpipe.train.collect import Collected, collect
from rlpipe.train.log import Clock, Metrics
from rlpipe.train.optimizer import update
from rlpipe.train.settings import TrainSettings
from rlpipe.train.signals import old_signals, reference_signals
from rlpipe.types import Batch, Engine, Prompt, Signals, Step, TokenLoss
from rlpipe.verifiers.error_rate import ErrorRate


@dataclass
class Trainer:
    """What a step works on. The reference policy is there only where the recipe asks for it."""

    policy: Policy
    engine: Engine
    optimizer: torch.optim.Optimizer
    settings: TrainSettings
    errors: ErrorRate
    reference: Policy | None = None


def train_step(
    pool: Sequence[Prompt], trainer: Trainer, recipe: Recipe, step: Step
) -> tuple[Collected, Batch | None, Metrics, Clock]:
    """One step. The batch is None if no group passed the recipe's filters, and then nothing is updated.

    Raises: FloatingPointError if weights or gradients are not finite; VerifierErrors as `collect` does.
    """
    settings, clock, metrics = trainer.settings, Clock(), Metrics()
    with clock("sample"):
        collected = collect(pool, trainer.engine, recipe, step, settings.prompts, settings.max_refills, trainer.errors)
    metrics.of_groups(collected)
    if not math.isfinite(metrics.values["token_entropy"]):
        raise FloatingPointError("the entropy of the sampled tokens is not finite, so the weights are not")
    if not collected.kept:
        recipe.observe(collected.sampled, None)
        return collected, None, metrics, clock
    batch = collate(collected.kept, trainer.policy.device)
    with clock("forward"), torch.no_grad():
        batch = replace(
            batch,
            old=old_signals(batch, trainer.policy, trainer.engine, recipe, settings.micro_batch_tokens),
            reference=reference_signals(batch, trainer.reference, recipe, settings.micro_batch_tokens),
        )
    with clock("credit"), torch.no_grad():
        batch = assign_credit(batch, recipe, step)
        metrics.of_step(recipe.diagnose(batch, step))
    with clock("update"):
        for number, mini in enumerate(mini_batches(batch, settings.mini_batches, step.rng)):
            with torch.no_grad():
                mini = weigh(mini, recipe, step)
            metrics.of_mini_batch(mini)
            trainer.optimizer.zero_grad(set_to_none=False)
            for micro in micro_batches(carrying(mini, recipe), settings.micro_batch_tokens):
                signals = trainer.policy(micro.tokens, micro.response_mask, recipe.signals)
                loss, parts = total_loss(signals, micro, recipe, step)
                loss.backward()
                metrics.of_losses(parts, micro)
                if number == 0:
                    metrics.of_gap(signals, micro)
            metrics.of_update(update(trainer.policy.model, trainer.optimizer, settings.clip_grad_norm, step.all_reduce))
    recipe.observe(collected.sampled, batch)
    return collected, batch, metrics, clock


def assign_credit(batch: Batch, recipe: Recipe, step: Step) -> Batch:
    """The batch with its advantages, once per step."""
    assert recipe.advantage is not None
    advantage = recipe.advantage(batch, step)
    for shape in recipe.advantage_shaping:
        advantage = shape(advantage, batch, step)
    return replace(batch, advantage=advantage * batch.response_mask)


def weigh(batch: Batch, recipe: Recipe, step: Step) -> Batch:
    """A mini-batch with its annotations and weights: everything a loss may not work out for itself."""
    assert recipe.reduction is not None
    batch = replace(batch, annotations={name: note(batch, step) for name, note in recipe.annotations.items()})
    weight = torch.ones_like(batch.advantage)
    for token_weight in recipe.token_weights:
        weight = weight * token_weight(batch, step)
    return replace(batch, token_weight=weight, reduction_weight=recipe.reduction(batch))


def carrying(batch: Batch, recipe: Recipe) -> Batch:
    """The rollouts whose gradient is not zero for certain: without an auxiliary loss, those with an advantage."""
    if recipe.auxiliary_losses:
        return batch
    return batch.rows((batch.advantage != 0).any(-1).nonzero().squeeze(-1))


def total_loss(policy: Signals, batch: Batch, recipe: Recipe, step: Step) -> tuple[Tensor, list[TokenLoss]]:
    """The scalar to differentiate, and the losses per token it is the weighted sum of."""
    assert recipe.policy_loss is not None
    main = recipe.policy_loss(policy, batch, step)
    extra = [auxiliary(policy, batch, step) for auxiliary in recipe.auxiliary_losses]
    per_token = batch.token_weight * main.loss
    for e in extra:
        per_token = per_token + e.loss
    return (batch.reduction_weight * per_token).sum(), [main, *extra]
