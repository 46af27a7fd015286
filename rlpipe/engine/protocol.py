"""What generates: one protocol for the built-in engine, vLLM, and servers. Only samplers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from rlpipe.types import Message, Request, Rollout, Sampling


@runtime_checkable
class Engine(Protocol):
    """Generation.

    `exact`: `logprob` and `entropy` of its plain rollouts equal the trainer's to rounding. `full_entropy`: entropies are of
    the whole distribution. `logit_rules`: names of the rules it applies (`*`: any). `weights`: it can be handed new ones.
    `longest`: tokens of its longest sequence, None where there is no limit. `special_ids`: tokens that are no text.
    """

    exact: bool
    full_entropy: bool
    logit_rules: frozenset[str]
    weights: bool
    longest: int | None
    special_ids: frozenset[int]

    async def complete(self, request: Request) -> Rollout:
        """One rollout; it depends on the request alone. Requests that wait together form one batch.

        Raises: ValueError for a request it cannot meet, naming the stop text or the logit rule it does not know.
        """

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, with the generation prompt."""

    def encode_reply(self, messages: Sequence[Message], ended: bool) -> list[int]:
        """Token ids of what follows what the policy wrote; `ended` says whether that closed with the end token."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens and all."""

    def load_policy(self, policy: object, step: int = 0) -> None:
        """Take over the weights of a policy (a module, or a directory in Hugging Face layout) as they are at `step`."""


Engines = Mapping[str, Engine]  # by the agent that writes with it; a lone one is called `policy`


def refuse_unknown_rule(sampling: Sampling, known: frozenset[str], engine: str) -> None:
    """Raises: ValueError naming the logit rule that the engine cannot apply, and those it can."""
    rule = sampling.logit_rule
    if rule is not None and rule.name not in known and "*" not in known:
        raise ValueError(
            f"the engine {engine} cannot apply the logit rule '{rule.name}'; it has {', '.join(sorted(known)) or 'none'}: "
            "set `engine` to hf, or leave out the method that asks for the rule"
        )
