"""A policy whose weights lie in shards over the processes of a run (FSDP2), and whole again where somebody reads them.

Source: torch.distributed.fsdp.fully_shard. Head and trunk are one group, as they may share a weight; each block is one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from rlpipe.engine.processes import count
from rlpipe.policy.forward import Policy
from rlpipe.policy.trunk import LibraryTrunk
from rlpipe.train.settings import TrainSettings

WHOLE = StateDictOptions(full_state_dict=True)  # not offloaded: then the first process alone would have it


def wanted(settings: TrainSettings, device: torch.device) -> bool:
    """Whether weights are sharded: where there are several processes, each with an accelerator, or always if so set."""
    return count() > 1 and (settings.shard == "always" or (settings.shard == "auto" and device.type != "cpu"))


def shard(policy: Policy) -> Policy:
    """Shard the policy in place; its forward pass is then the library's, as shards hang on the library's modules."""
    mesh = init_device_mesh(policy.device.type, (count(),))
    for layer in blocks(policy.model):
        fully_shard(layer, mesh=mesh)
    policy.trunk = LibraryTrunk(policy.model)
    fully_shard(policy, mesh=mesh)
    return policy


def blocks(model: nn.Module) -> list[nn.Module]:
    """The model's repeated blocks: the entries of its longest list of modules."""
    lists = [list(m) for m in model.modules() if isinstance(m, nn.ModuleList)]
    return max(lists, key=len) if lists else []


def is_sharded(policy: nn.Module) -> bool:
    return isinstance(policy, FSDPModule)


def loss_factor(policy: nn.Module) -> int:
    """What a loss is multiplied by so that gradients are summed over processes: FSDP2 divides by their number."""
    return count() if is_sharded(policy) else 1


def model_state(policy: Policy) -> dict[str, Any]:
    """The whole state of the policy's model, in every process. All processes have to call this together."""
    return get_model_state_dict(policy.model, options=WHOLE) if is_sharded(policy) else policy.model.state_dict()


def optimizer_state(policy: Policy, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The whole state of the optimizer; as `model_state`."""
    if not is_sharded(policy):
        return optimizer.state_dict()
    return get_optimizer_state_dict(policy, optimizer, options=WHOLE)


def load_state(
    policy: Policy, optimizer: torch.optim.Optimizer, model: dict[str, Any], moments: dict[str, Any]
) -> None:
    """Take up whole states, wherever they were saved."""
    if not is_sharded(policy):
        policy.model.load_state_dict(model)
        optimizer.load_state_dict(moments)
        return
    set_model_state_dict(policy.model, model, options=WHOLE)
    set_optimizer_state_dict(policy, optimizer, moments, options=WHOLE)
