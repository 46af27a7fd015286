"""The data of one training step, in the order it is produced.

Dimension key, used everywhere: **B** rollouts in a batch, **G** rollouts of one prompt, **T** tokens, **V** vocabulary.
Log-probabilities, entropies and divergences are in nats. All types are frozen; a stage returns a new value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Message = Mapping[str, str]
Finish = Literal["stop", "length", "error"]
Status = Literal["ok", "wrong", "no_answer", "ambiguous", "needs_symbolic", "gold_unparseable", "timeout", "error"]


@dataclass(frozen=True)
class Prompt:
    """A task: what the policy is asked, and what its answer is checked against.

    `source` names the verifier (`rlpipe/countdown`, `openai/gsm8k`); `answer` is the reference in the form that verifier
    reads (text, or JSON); `difficulty` is the level of the source, where it has levels.
    """

    id: str
    messages: tuple[Message, ...]
    answer: str
    source: str
    difficulty: str | None = None

    @property
    def text(self) -> str:
        """Contents of the user messages, joined by newlines."""
        return "\n".join(m["content"] for m in self.messages if m["role"] == "user")


@dataclass(frozen=True)
class Verdict:
    """What a verifier says of one answer. `score` in [0, 1]; the status is kept, never folded into the score.

    `canonical` is the answer that votes and entropies count: equal for equal answers, right or wrong, and None only where
    no answer could be read. `solution` is the whole solution where one answer has many, such as its work; None where the
    answer is the solution.
    """

    score: float
    status: Status
    extracted: str | None = None
    canonical: str | None = None
    verifier: str = ""
    version: str = ""
    solution: str | None = None

    @property
    def correct(self) -> bool:
        return self.score >= 1.0


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy; `max_new_tokens` counts the response with its end token."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0


@dataclass(frozen=True)
class Rollout:
    """One sampled trajectory: prompt and response tokens, right-aligned to nothing, never padded.

    `response_mask` is True where the policy wrote the token. `logprob` and `entropy` are the sampling engine's, of the
    distribution the token was drawn from; 0 outside the mask. `policy_step` is the step whose weights wrote it.
    """

    tokens: Int[Tensor, "T"]
    response_mask: Bool[Tensor, "T"]
    logprob: Float[Tensor, "T"]
    entropy: Float[Tensor, "T"]
    text: str
    finish: Finish
    policy_step: int = 0
    parent: int | None = None
    branched_at: int | None = None

    @property
    def response_length(self) -> int:
        return int(self.response_mask.sum())


@dataclass(frozen=True)
class Group:
    """The rollouts of one prompt; `reward` and `reward_terms` are filled in once they are scored."""

    prompt: Prompt
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Verdict, ...] = ()
    reward: Float[Tensor, "G"] | None = None
    reward_terms: Mapping[str, Float[Tensor, "G"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Signals:
    """What one forward pass says of each token: of the sampled token, and of the distribution it came from."""

    logprob: Float[Tensor, "B T"]
    entropy: Float[Tensor, "B T"]
    extra: Mapping[str, Float[Tensor, "B T"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """The rollouts of a step as tensors, padded on the right; fields are filled once, from top to bottom."""

    tokens: Int[Tensor, "B T"]
    response_mask: Bool[Tensor, "B T"]
    sampling_logprob: Float[Tensor, "B T"]
    group: Int[Tensor, "B"]
    reward: Float[Tensor, "B"]
    correct: Bool[Tensor, "B"]
    old: Signals
    reference: Signals | None
    advantage: Float[Tensor, "B T"]
    annotations: Mapping[str, Tensor]
    token_weight: Float[Tensor, "B T"]
    reduction_weight: Float[Tensor, "B T"]

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def rows(self, index: Tensor | Sequence[int], length: int | None = None) -> Batch:
        """The rollouts at `index` `[b]`, cut to `length` tokens."""
        index = torch.as_tensor(index, device=self.tokens.device)

        def cut(x: Tensor) -> Tensor:
            x = x[index]
            return x[:, :length] if x.dim() > 1 else x

        return replace(self, **{name: _map(getattr(self, name), cut) for name in self.__dataclass_fields__})


def _map(value: Any, f: Callable[[Tensor], Tensor]) -> Any:
    """`f` on every tensor of a Batch field."""
    if isinstance(value, Tensor):
        return f(value)
    if isinstance(value, Signals):
        return Signals(f(value.logprob), f(value.entropy), {k: f(v) for k, v in value.extra.items()})
    if isinstance(value, Mapping):
        return {k: f(v) for k, v in value.items()}
    return value


@dataclass(frozen=True)
class TokenLoss:
    """A loss per token, not yet reduced, and what to log of it.

    Metrics are per-token tensors `[B T]`; the step sums them under the response mask and divides by the tokens of the
    whole step, so a boolean tensor becomes a share of tokens. They must be 0 where the advantage is 0, as rollouts
    without gradient are not forwarded.
    """

    loss: Float[Tensor, "B T"]
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


def _identity(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class RolloutPlan:
    """What the run decides about sampling: rollouts per prompt, how tokens are drawn, the run's seed.

    `round` counts the rounds of one step: 0, then 1, 2, ... when prompts are drawn again to replace filtered groups, so
    that a prompt met twice in a step is not answered with the same draws.
    """

    group_size: int
    sampling: Sampling
    seed: int
    round: int = 0


@dataclass(frozen=True)
class Step:
    """Where training is. `rng` is keyed by (seed, step): draws do not depend on batching or on interruptions.

    `all_reduce` sums a tensor over data-parallel ranks; the identity in one process. `rollout` is what curricula and
    samplers need to know of the run; None where nothing is sampled.
    """

    index: int
    total: int
    rng: torch.Generator
    all_reduce: Callable[[Tensor], Tensor] = _identity
    rollout: RolloutPlan | None = None


@runtime_checkable
@runtime_checkable
class Engine(Protocol):
    """Generation. Only samplers (and evaluation) see it.

    `exact` says that `logprob` and `entropy` of its rollouts equal the trainer's to rounding, so that they can stand in
    for the old policy's.
    """

    exact: bool

    def complete(
        self, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int], policy_step: int = 0
    ) -> list[Rollout]:
        """One rollout per prefix of token ids; row i depends on `prefixes[i]` and `seeds[i]` alone."""

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, with the generation prompt."""

    def load_policy(self, policy: object) -> None:
        """Take over the weights of a policy (a module, or a directory in Hugging Face layout)."""


def draw_seed(*parts: int | str) -> int:
    """A 63-bit seed from a tuple such as (run seed, step, prompt id, sample); equal tuples, equal streams."""
    from hashlib import blake2b

    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
