"""SPEAR: tool calls are paid for at first, good trajectories of the past are learnt again later. arXiv:2509.22601.

A base method of its own (the paper's Dr.BoT: centred advantages, PPO's clip, sums over a constant length) with a fading
reward for tool calls, a buffer of trajectories that turned out well and covariance masking. Without calls the buffer
stays empty and it is Dr.BoT; with `buffer` 0 likewise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rlpipe.ops.advantages import centred, on_tokens
from rlpipe.ops.collate import collate, rollouts_of
from rlpipe.ops.covariance import smallest_draws, token_covariance
from rlpipe.ops.draws import token_uniform
from rlpipe.ops.policy_losses import clipped, clipped_surrogate
from rlpipe.ops.ratios import token_ratio
from rlpipe.ops.reductions import constant_length
from rlpipe.ops.schedules import Scalar, at
from rlpipe.ops.updates import mini_batches
from rlpipe.params.hyperparameters import Count, Fraction, NonNegative, Real, Whole
from rlpipe.recipe import Recipe
from rlpipe.rewards.verified import paid
from rlpipe.types import Batch, Group, Prompt, Rollout, Step, draw_seed


def spear(
    recipe: Recipe,
    *,
    clip_low: Fraction = 0.2,
    clip_high: NonNegative = 0.28,
    length: Count = 1024,
    kept_share: Fraction = 0.75,
    tool_reward: NonNegative = 0.1,
    tool_steps: Whole = 200,
    buffer: Whole = 2048,
    history: Count = 10240,
    oldest: Count = 5,
    calls_only: bool = True,
    replay_weight: NonNegative = 1.0,
    replay_steps: Whole = 200,
    fraction: Fraction = 0.02,
    low: Real = 1.0,
    high: Real = 40.0,
) -> Recipe:
    """Dr.BoT, the reward for calls, self-imitation from a buffer, and the covariance mask.

    clip_low, clip_high: distances from 1 at which the ratio stops counting. length: tokens every rollout's sum is divided
    by. kept_share: of the groups, those whose rewards vary most are trained on. tool_reward: for each call, at most 1 in
    all. tool_steps: over which it fades out. buffer: most trajectories replayed in a step; replay begins once more than
    1.5 times as many beat the median of group means. history: group means remembered. oldest: steps after which a
    trajectory is forgotten, at most 10. calls_only: trajectories without a call are not kept. replay_weight: of the
    replayed loss. replay_steps: over which it fades in. fraction, low, high: of the tokens, how many with covariance
    between the bounds are left out of the loss.
    Logs `clip_fraction`, `spear_replayed` (share of trained tokens that come from the buffer; 0 while it waits),
    `spear_masked` (share of tokens left out), `spear_dropped` (share of rollouts left out as truncated or repetitive),
    `spear_buffer` (trajectories kept), and the term `reward/tool`.
    Source: arXiv:2509.22601 and its release: mu, rho, P50, power of two, 0.02 / 1 / 40 of its README.
    Differs: a replay is cut into updates of the on-policy size; what cannot be read is not dropped; the Qwen3 variant of
    the reward is not offered; its unused trajectory_score_threshold and replay-only bounds are left out.
    """
    memory = Buffer(buffer, history, min(oldest, 10))
    recipe = recipe.choose(
        advantage=centred,
        policy_loss=partial(clipped, low=clip_low, high=clip_high),
        reduction=partial(constant_length, length=length),
        updates=partial(then_replay, memory=memory, kept_share=kept_share, calls_only=calls_only),
    )
    return recipe.need("current").add(
        reward_terms={"tool": partial(calls_paid, each=tool_reward, steps=tool_steps)},
        reward_shaping=with_calls,
        annotations=partial(masks, fraction=fraction, low=low, high=high, clip=(clip_low, clip_high)),
        token_weights=partial(weights, coefficient=replay_weight, steps=replay_steps),
        diagnostics={"spear_dropped": dropped, "spear_buffer": partial(held, memory=memory)},
    )


def fading_out(index: int, steps: int) -> float:
    """`mu(t) = (1 + cos(pi t / T)) / 2` up to T, then 0."""
    return (1 + math.cos(math.pi * index / steps)) / 2 if index <= steps and steps else 0.0


def fading_in(index: int, steps: int) -> float:
    """`rho(t) = (1 - cos(pi t / T)) / 2` before T, then 1."""
    return (1 - math.cos(math.pi * index / steps)) / 2 if index < steps else 1.0


def num_calls(rollout: Rollout) -> int:
    """Times that the policy wrote on after something answered it."""
    return max(rollout.num_stretches - 1, 0)


def calls_paid(groups: Sequence[Group], step: Step, *, each: Scalar, steps: int) -> list[Tensor]:
    """`min(each * calls, 1) * mu(t)` for every rollout, in reward units."""
    worth = fading_out(step.index, steps)
    return [torch.tensor([min(at(each, step.index) * num_calls(r), 1.0) * worth for r in g.rollouts]) for g in groups]


def with_calls(groups: Sequence[Group], step: Step) -> list[Tensor]:
    """The rewards with those for calls."""
    return [paid(group) + group.reward_terms["tool"] for group in groups]


def most_varied(batch: Batch, share: float) -> Batch:
    """The rollouts of the `share` of groups, one at least, whose rewards have the largest deviation."""
    groups = batch.group.unique().tolist()
    spread = [float(batch.reward[batch.group == g].double().std(correction=0)) for g in groups]
    order = sorted(range(len(groups)), key=lambda i: -spread[i])[: max(1, int(share * len(groups) + 0.5))]
    kept = torch.tensor([groups[i] for i in order], device=batch.group.device)
    return batch.rows(torch.isin(batch.group, kept).nonzero().squeeze(-1))


def then_replay(batch: Batch, step: Step, *, memory: Buffer, kept_share: Scalar, calls_only: bool) -> Iterator[Batch]:
    """The step's own mini-batches, then updates on what the buffer replays, if anything."""
    yield from mini_batches(most_varied(batch, at(kept_share, step.index)), step)
    memory.add(batch, step.index, calls_only)
    again = memory.replay(step, batch.tokens.device)
    if again is not None:
        yield from (again.rows(part) for part in torch.arange(len(again)).split(-(-len(batch) // step.mini_batches)))


class Buffer:
    """Trajectories that turned out better than their group, and the means of all groups; newest last."""

    def __init__(self, most: int, history: int, oldest: int):
        self.most, self.history, self.oldest = most, history, oldest
        self.kept: list[dict[str, Any]] = []
        self.means: list[tuple[int, float]] = []

    def add(self, batch: Batch, step: int, calls_only: bool) -> None:
        """Keep the rollouts of a step with a positive advantage (and a call), forget what is too old."""
        if not self.most:
            return
        self.means += [(step, float(batch.reward[batch.group == g].mean())) for g in batch.group.unique().tolist()]
        while len(self.means) > self.history:
            first = self.means[0][0]
            self.means = [m for m in self.means if m[0] != first]
        gain = (batch.advantage * batch.response_mask).sum(-1)
        calls = batch.turn.amax(-1)
        for row in ((gain > 0) & ((calls > 0) | (not calls_only))).nonzero().squeeze(-1).tolist():
            self.kept.append(self._entry(batch, row, step))
        self.kept = [entry for entry in self.kept if entry["step"] >= step - self.oldest]

    def _entry(self, batch: Batch, row: int, step: int) -> dict[str, Any]:
        end = int(batch.response_mask[row].nonzero().max()) + 1
        columns = {"tokens": batch.tokens, "mask": batch.response_mask}
        columns |= {"logprob": batch.old.logprob, "entropy": batch.old.entropy}
        prompt = batch.groups[int(batch.group[row])].prompt
        names = {"prompt": prompt.id, "source": prompt.source, "step": step, "reward": float(batch.reward[row])}
        return names | {name: value[row, :end].cpu().clone() for name, value in columns.items()}

    def replay(self, step: Step, device: torch.device) -> Batch | None:
        """What is learnt again now, after which the buffer is empty; None where too little beats the median group.

        Advantages are rewards above the median; `old` is the policy at the start of the step that wrote the rollout.
        """
        if not self.most or not self.means:
            return None
        median = float(torch.tensor([m for _, m in self.means], dtype=torch.float64).quantile(0.5))
        better = [entry for entry in self.kept if entry["reward"] > median]
        if len(better) <= 1.5 * self.most:
            return None
        size = min(2 ** int(math.log2(len(better))), self.most)
        rng = torch.Generator().manual_seed(draw_seed("spear", step.rng.initial_seed()))
        chosen = [better[i] for i in torch.randperm(len(better), generator=rng)[:size].tolist()]
        self.kept = []
        batch = collate([_as_group(entry) for entry in chosen], device)
        gain = on_tokens(batch.reward - median, batch.response_mask)
        return replace(batch, advantage=gain, annotations={"spear_replayed": batch.response_mask})

    def observe(self, groups: Sequence[Group], batch: Batch | None, metrics: Mapping[str, Any]) -> None:
        """A step's rollouts are added while it updates, as its replay counts them."""

    def state_dict(self) -> dict[str, Any]:
        return {"kept": [dict(entry) for entry in self.kept], "means": [list(m) for m in self.means]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.kept = [dict(entry) for entry in state["kept"]]
        self.means = [(int(step), float(mean)) for step, mean in state["means"]]


def _as_group(entry: Mapping[str, Any]) -> Group:
    rollout = Rollout(
        entry["tokens"], entry["mask"], entry["logprob"], entry["entropy"], (), "stop", policy_step=entry["step"]
    )
    return Group(Prompt(entry["prompt"], (), "", entry["source"]), (rollout,), reward=torch.tensor([entry["reward"]]))


def masks(
    batch: Batch, step: Step, *, fraction: Scalar, low: Scalar, high: Scalar, clip: tuple[Scalar, Scalar]
) -> dict[str, Tensor]:
    """Tokens left out for their covariance under the current policy, unless clipped already; and what is replayed."""
    assert batch.current is not None, "the recipe asked for the current policy"
    mask, i = batch.response_mask, step.index
    ratio = token_ratio(batch.current.logprob, batch.old.logprob, mask)
    stopped = clipped_surrogate(batch.advantage, ratio, at(clip[0], i), at(clip[1], i)).clipped
    covariance = token_covariance(batch.advantage, batch.current.logprob, mask)
    candidates = mask & ~stopped & (at(low, i) < covariance) & (covariance < at(high, i))
    count = max(1, int(at(fraction, i) * int(mask.sum()))) if at(fraction, i) > 0 else 0
    draw = token_uniform(step.rng.initial_seed(), batch.tokens, mask)
    found = {"spear_masked": smallest_draws(candidates, count, draw)}
    return found if "spear_replayed" in batch.annotations else {**found, "spear_replayed": torch.zeros_like(mask)}


def weights(batch: Batch, step: Step, *, coefficient: Scalar, steps: int) -> Float[Tensor, "B T"]:
    """0 on what is left out, the fading-in weight on what is replayed, 1 elsewhere."""
    again = at(coefficient, step.index) * fading_in(step.index, steps)
    replayed, masked_out = batch.annotations["spear_replayed"], batch.annotations["spear_masked"]
    weight = torch.where(replayed, again, 1.0).to(batch.advantage.dtype)
    return torch.where(masked_out | (dropped(batch, step) > 0)[:, None], torch.zeros_like(weight), weight)


def dropped(batch: Batch, step: Step) -> Float[Tensor, " B"]:
    """1 for rollouts that were cut short, or repeat a run of 20 tokens ten times."""
    if not batch.groups:
        return torch.zeros(len(batch), device=batch.tokens.device)
    found = [float(r.finish == "length" or repetitive(r.tokens[r.response_mask].tolist())) for r in rollouts_of(batch)]
    return torch.tensor(found, device=batch.tokens.device)


def repetitive(ids: Sequence[int], run: int = 20, times: int = 10) -> bool:
    """Whether a run of tokens occurs so often."""
    counts = Counter(tuple(ids[i : i + run]) for i in range(len(ids) - run + 1))
    return max(counts.values(), default=0) >= times


def held(batch: Batch, step: Step, *, memory: Buffer) -> Float[Tensor, " B"]:
    """Trajectories in the buffer before this step."""
    return torch.full((len(batch),), float(len(memory.kept)))
