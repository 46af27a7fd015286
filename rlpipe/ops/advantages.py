"""What a reward is worth against the others: within its group, or against the tokens of the whole step.

A group of one has no other to compare with: its mean counts as 0 and its deviation as 1, as in verl.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rlpipe.ops.masked import masked
from rlpipe.types import Batch, Step


def on_tokens(value: Float[Tensor, " B"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """A value per rollout as a value per token: itself on response tokens, 0 elsewhere."""
    return masked(value[:, None].expand(mask.shape), mask)


def group_centred(reward: Float[Tensor, " B"], group: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """`r - m` with the mean m of the group, in reward units; exactly 0 where all rewards of a group are equal.

    Source: Dr. GRPO, arXiv:2503.20783, its advantage.
    """
    index, size = _groups(group)
    mean = _sum(reward.double(), index, size) / size
    centred = torch.where(size[index] > 1, reward.double() - mean[index], reward.double())
    return torch.where(group_constant(reward, group) & (size[index] > 1), 0.0, centred).to(reward.dtype)


def group_relative(
    reward: Float[Tensor, " B"], group: Int[Tensor, " B"], std_floor: float = 0.0, epsilon: float = 1e-6
) -> Float[Tensor, " B"]:
    """`(r - m) / (max(s, std_floor) + epsilon)` with the group's mean m and unbiased deviation s; dimensionless.

    A group of one gives r / (1 + epsilon).
    Source: GRPO, arXiv:2402.03300, section 4.1.2. Differs: unbiased deviation and epsilon 1e-6 as in verl, where the
    paper states neither; the floor is ours (0: none).
    """
    index, size = _groups(group)
    centred = group_centred(reward, group).double()
    variance = _sum(centred.square(), index, size) / (size - 1).clamp(min=1)
    std = torch.where(size > 1, variance.sqrt(), 1.0)[index]
    return (centred / (std.clamp(min=std_floor) + epsilon)).to(reward.dtype)


def standardised(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """GRPO's advantage on every response token: `group_relative` of the rewards. Fills the slot `advantage`."""
    return on_tokens(group_relative(batch.reward, batch.group), batch.response_mask)


def centred(batch: Batch, step: Step) -> Float[Tensor, "B T"]:
    """The reward minus its group's mean, in reward units, on every response token. Fills the slot `advantage`."""
    return on_tokens(group_centred(batch.reward, batch.group), batch.response_mask)


def leave_one_out(reward: Float[Tensor, " B"], group: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """The reward minus the mean of the group's other rewards, in reward units; the reward itself in a group of one.

    Source: RLOO, arXiv:2402.14740, its estimator for k samples: (r - m) n / (n - 1).
    """
    index, size = _groups(group)
    return group_centred(reward, group) * (size / (size - 1).clamp(min=1))[index].to(reward.dtype)


def group_constant(reward: Float[Tensor, " B"], group: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
    """True where all rewards of the rollout's group are equal."""
    index, size = _groups(group)
    empty = torch.zeros(len(size), dtype=reward.dtype, device=reward.device)
    highest = empty.scatter_reduce(0, index, reward, "amax", include_self=False)
    lowest = empty.scatter_reduce(0, index, reward, "amin", include_self=False)
    return (highest == lowest)[index]


def group_mean(reward: Float[Tensor, " B"], group: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Mean reward of the rollout's group, in reward units; a group of one has its own."""
    index, size = _groups(group)
    return (_sum(reward.double(), index, size) / size)[index].to(reward.dtype)


def returns(token_reward: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], gamma: float) -> Float[Tensor, "B T"]:
    """Discounted rewards to go, `G_t = sum_{k >= t} gamma^(k-t) reward_k`, counted in response tokens; 0 elsewhere.

    Source: REINFORCE++, arXiv:2501.03262. Differs: tokens the policy did not write pass the return on undiscounted,
    where verl sets it to 0 and so loses a last turn's reward for the turns before it.
    """
    token_reward = masked(token_reward, mask)
    if gamma == 1.0:
        return masked(token_reward.flip(-1).cumsum(-1).flip(-1), mask)
    running = torch.zeros_like(token_reward[:, 0])
    columns = []
    for t in reversed(range(token_reward.shape[1])):
        running = torch.where(mask[:, t], token_reward[:, t] + gamma * running, running)
        columns.append(running)
    return masked(torch.stack(columns[::-1], dim=-1), mask)


def on_last_token(value: Float[Tensor, " B"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """A value per rollout placed on its last response token, 0 on all others."""
    later = mask.long().flip(-1).cumsum(-1).flip(-1)
    return on_tokens(value, mask & (later == 1))


def _groups(group: Int[Tensor, " B"]) -> tuple[Int[Tensor, " B"], Int[Tensor, " P"]]:
    """Group numbers counted from 0, and the number of rollouts of each."""
    _, index, size = torch.unique(group, return_inverse=True, return_counts=True)
    return index, size


def _sum(value: Float[Tensor, " B"], index: Int[Tensor, " B"], size: Int[Tensor, " P"]) -> Float[Tensor, " P"]:
    return torch.zeros(len(size), dtype=value.dtype, device=value.device).index_add(0, index, value)
