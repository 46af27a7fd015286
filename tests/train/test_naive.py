"""A step against a loop anyone would write: the library's forward pass, a row at a time, and AdamW."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from rlpipe.engine.hf import HFEngine
from rlpipe.policy.forward import Policy
from rlpipe.recipe import load
from rlpipe.train.agent import Agent
from rlpipe.train.log import Clock, Metrics
from rlpipe.train.optimizer import make_optimizer
from rlpipe.train.settings import TrainSettings
from rlpipe.train.step import train_agent
from rlpipe.types import Batch, Signals
from tests.toy import random_batch, step, tiny_policy

SETTINGS = TrainSettings(mini_batches=1, micro_batch_tokens=40, learning_rate=1e-3, clip_grad_norm=0.5)


def naive_logprobs(model: nn.Module, batch: Batch) -> list[Tensor]:
    """Log-probabilities of each row's response tokens, by `model(...).logits`."""
    found = []
    for tokens, mask in zip(batch.tokens, batch.response_mask, strict=True):
        logits = model(input_ids=tokens[None]).logits[0, :-1]
        logprob = logits.log_softmax(-1).gather(-1, tokens[1:, None]).squeeze(-1)
        found.append(logprob[mask[1:]])
    return found


def naive_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    """GRPO as written down: standardised within the group, clipped at 0.2, mean over tokens, then over rollouts."""
    old = [x.detach() for x in naive_logprobs(model, batch)]
    advantage = torch.zeros(len(batch.reward))
    for g in batch.group.unique():
        rows = batch.group == g
        own = batch.reward[rows].double()
        if own.max() > own.min():
            advantage[rows] = ((own - own.mean()) / (own.std(correction=1) + 1e-6)).float()
    optimizer.zero_grad()
    losses = []
    for new, before, a in zip(naive_logprobs(model, batch), old, advantage, strict=True):
        ratio = (new - before).exp()
        losses.append(-torch.minimum(ratio * a, ratio.clamp(0.8, 1.2) * a).mean())
    (sum(losses) / len(losses)).backward()  # type: ignore[union-attr]
    nn.utils.clip_grad_norm_(model.parameters(), SETTINGS.clip_grad_norm)
    optimizer.step()


def measured(model: nn.Module, batch: Batch) -> Batch:
    """The batch as if an exact engine had sampled it from the model."""
    with torch.no_grad():
        signals = Policy(model)(batch.tokens, batch.response_mask)
    return replace(batch, sampling_logprob=signals.logprob, old=Signals(signals.logprob, signals.entropy))


def test_three_steps_of_grpo_end_with_the_weights_of_the_naive_loop_even_where_no_reward_differs() -> None:
    model, tokenizer = tiny_policy()
    plain = deepcopy(model)
    ours = Agent(Policy(model), HFEngine(model, tokenizer), make_optimizer(model, SETTINGS), model)
    theirs = make_optimizer(plain, SETTINGS)
    recipe = load(["grpo"])
    batch = random_batch()
    moved = []
    for index in range(3):
        rewards = batch.reward if index != 1 else torch.zeros_like(batch.reward)
        known = replace(batch, reward=rewards)
        before = torch.cat([p.detach().flatten().clone() for p in plain.parameters()])
        naive_step(plain, theirs, known)
        train_agent(
            measured(model, known), ours, recipe, replace(step(index), mini_batches=1), SETTINGS, Metrics(), Clock()
        )
        weights = [torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (model, plain)]
        torch.testing.assert_close(weights[0], weights[1], atol=2e-6, rtol=0)
        moved.append(float((weights[1] - before).abs().max()))
    assert moved[1] > 1e-4, "without any advantage AdamW still moves by what it remembers"
