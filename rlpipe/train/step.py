"""The training step, front to back: sample, judge, reward, assign credit, update."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlpipe.engine.processes import dealt, gathered
from rlpipe.ops.collate import collate
from rlpipe.ops.updates import micro_batches
from rlpipe.recipe import Recipe
from rlpipe.train import shards
from rlpipe.train.agent import POLICY, Agent, Trainer
from rlpipe.train.collect import Collected, collect
from rlpipe.train.log import Clock, Learnt, Metrics
from rlpipe.train.optimizer import update
from rlpipe.train.settings import TrainSettings
from rlpipe.train.signals import current_signals, old_signals, reference_signals
from rlpipe.types import Batch, Prompt, Signals, Step, TokenLoss


@dataclass(frozen=True)
class Taken:
    """What a step did. An agent has no batch if no group with its rollouts was selected; nothing is updated then."""

    collected: Collected
    batches: Mapping[str, Batch]
    metrics: Mapping[str, Metrics]
    clock: Clock

    def row(self, step: int) -> dict[str, float | int | None]:
        """The row of `metrics.parquet`; what agents beside the policy log carries their name."""
        row = self.metrics[POLICY].row(step)
        for name, metrics in self.metrics.items():
            if name != POLICY:
                row |= {f"{name}/{key}": value for key, value in metrics.row(step).items() if key != "step"}
        return row


def train_step(pool: Sequence[Prompt], trainer: Trainer, recipe: Recipe, step: Step) -> Taken:
    """One step: every agent updates on its own rollouts of the groups that were selected.

    Raises: FloatingPointError if weights or gradients are not finite; VerifierErrors as `collect` does.
    """
    settings, clock = trainer.settings, Clock()
    with clock("sample"):
        collected = collect(pool, trainer.engines, recipe, step, settings.prompts, settings.max_refills, trainer.errors)
    metrics = {name: Metrics() for name in trainer.agents}
    batches = {}
    for name, agent in trainer.agents.items():
        metrics[name].of_groups(collected, name)
        if not math.isfinite(metrics[name].values["token_entropy"]):
            raise FloatingPointError("the entropy of the sampled tokens is not finite, so the weights are not")
        if any(r.agent == name for g in collected.kept for r in g.rollouts):
            batch = collate(collected.kept, agent.policy.device, name)
            batches[name] = train_agent(batch, agent, recipe, step, settings, metrics[name], clock)
    taken = Taken(collected, batches, metrics, clock)
    recipe.observe(collected.sampled, batches.get(POLICY), taken.row(step.index))
    return taken


def train_agent(
    batch: Batch, agent: Agent, recipe: Recipe, step: Step, settings: TrainSettings, metrics: Metrics, clock: Clock
) -> Batch:
    """All updates of one agent on its batch of a step. Returns: the batch with its signals and advantages."""
    with clock("forward"), torch.no_grad():
        batch = measure(batch, agent, recipe, step, settings.micro_batch_tokens)
    with clock("credit"), torch.no_grad():
        batch = assign_credit(batch, recipe, step)
        metrics.of_step(recipe.diagnose(batch, step))
    with clock("update"):
        assert recipe.updates is not None
        for number, mini in enumerate(recipe.updates(batch, step)):
            with torch.no_grad():
                mini = weigh(renewed(mini, agent, recipe, settings.micro_batch_tokens), recipe, step)
            metrics.of_mini_batch(mini)
            agent.optimizer.zero_grad(set_to_none=False)
            parts = list(micro_batches(carrying(mini, recipe), settings.micro_batch_tokens))
            for found in gathered([learn(agent, *part, recipe, step) for part in dealt(parts)]):
                metrics.of_learnt(found, first=number == 0)
            metrics.of_update(update(agent.policy, agent.optimizer, settings.clip_grad_norm))
    return batch


def learn(agent: Agent, micro: Batch, counts: bool, recipe: Recipe, step: Step) -> Learnt:
    """Add the gradient of a micro-batch, of which only what `counts` is more than 0. Returns: what to log of it."""
    signals = agent.policy(micro.tokens, micro.response_mask, recipe.signals)
    loss, parts = total_loss(signals, micro, recipe, step)
    (loss * (shards.loss_factor(agent.policy) if counts else 0)).backward()
    return Learnt.of(parts, signals, micro, agent.policy.temperature, step.index) if counts else Learnt({}, None)


def measure(batch: Batch, agent: Agent, recipe: Recipe, step: Step, most_tokens: int) -> Batch:
    """The batch with the old policy's and the reference policy's signals, once per step."""
    old = old_signals(batch, agent.policy, agent.engine.exact, recipe, step.index, most_tokens)
    return replace(batch, old=old, reference=reference_signals(batch, agent.reference, recipe, most_tokens))


def renewed(batch: Batch, agent: Agent, recipe: Recipe, most_tokens: int) -> Batch:
    """A mini-batch with the signals of the policy it is about to change; of rollouts from elsewhere the reference's too."""
    if batch.reference is None:
        batch = replace(batch, reference=reference_signals(batch, agent.reference, recipe, most_tokens))
    return replace(batch, current=current_signals(batch, agent.policy, recipe, most_tokens))


def assign_credit(batch: Batch, recipe: Recipe, step: Step) -> Batch:
    """The batch with its advantages, once per step."""
    assert recipe.advantage is not None
    for part in (recipe.advantage, *recipe.advantage_shaping):
        batch = replace(batch, advantage=part(batch, step))
    return replace(batch, advantage=batch.advantage * batch.response_mask)


def weigh(batch: Batch, recipe: Recipe, step: Step) -> Batch:
    """A mini-batch with its annotations and weights: everything a loss may not work out for itself.

    Raises: ValueError for an annotation that stands there already.
    """
    assert recipe.reduction is not None
    for annotate in recipe.annotations:
        notes = annotate(batch, step)
        if taken := set(notes) & set(batch.annotations):
            raise ValueError(f"two methods annotate tokens as {sorted(taken)}; leave one of the two out")
        batch = replace(batch, annotations={**batch.annotations, **notes})
    weight = torch.ones_like(batch.advantage)
    for token_weight in recipe.token_weights:
        weight = weight * token_weight(batch, step)
    batch = replace(batch, token_weight=weight)
    return replace(batch, reduction_weight=recipe.reduction(batch, step))


def carrying(batch: Batch, recipe: Recipe) -> Batch:
    """The rollouts whose gradient is not zero for certain: without an auxiliary loss, those with an advantage."""
    if recipe.auxiliary_losses:
        return batch
    return batch.rows((batch.advantage != 0).any(-1).nonzero().squeeze(-1))


def total_loss(policy: Signals, batch: Batch, recipe: Recipe, step: Step) -> tuple[Tensor, list[TokenLoss]]:
    """The scalar to differentiate, and the losses per token it is the weighted sum of."""
    assert recipe.policy_loss is not None
    parts = [loss(policy, batch, step) for loss in (recipe.policy_loss, *recipe.auxiliary_losses)]
    weighted = [batch.token_weight * parts[0].loss, *(p.loss for p in parts[1:])]
    shared = [loss for part, loss in zip(parts, weighted, strict=True) if part.weight is None]
    total = (batch.reduction_weight * sum(shared[1:], shared[0])).sum() if shared else batch.reduction_weight.sum() * 0
    for part, loss in zip(parts, weighted, strict=True):
        if part.weight is not None:
            total = total + (part.weight * loss).sum()
    return total, parts
