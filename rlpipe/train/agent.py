"""Who is trained: a policy with the engine that samples from it, its optimizer, and the policy it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from rlpipe.engine.protocol import Engine
from rlpipe.policy.forward import Policy
from rlpipe.train.settings import TrainSettings
from rlpipe.verifiers.error_rate import ErrorRate

POLICY = "policy"  # the name of the agent where there is one


@dataclass
class Agent:
    """`sampled` is the model that the engine is handed: the policy's own, or a whole copy of one in shards. The reference
    policy is there only where the recipe asks for it.
    """

    policy: Policy
    engine: Engine
    optimizer: torch.optim.Optimizer
    sampled: nn.Module
    reference: Policy | None = None


@dataclass
class Trainer:
    """What a step works on; agents by name."""

    agents: Mapping[str, Agent]
    settings: TrainSettings
    errors: ErrorRate

    @property
    def engines(self) -> dict[str, Engine]:
        return {name: agent.engine for name, agent in self.agents.items()}
