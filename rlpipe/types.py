"""The data of one training step, in the order it is produced.

Dimension key, used everywhere: **B** rollouts in a batch, **G** rollouts of one prompt, **T** tokens, **V** vocabulary.
Log-probabilities, entropies and divergences are in nats. All types are frozen; a stage returns a new value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
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
    reads (text, or JSON); `difficulty` is the level of the source, where it has levels; `solutions` are worked responses
    the prompt came with, `extra` whatever else.
    """

    id: str
    messages: tuple[Message, ...]
    answer: str
    source: str
    difficulty: str | None = None
    solutions: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, compare=False)

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


@runtime_checkable
class LogitRule(Protocol):
    """What may be done to logits before a token is drawn: a frozen value, so that equal rules are one batch.

    `name` is what engines list among their `logit_rules`; one that cannot apply a rule refuses it by that name.
    """

    name: str

    def __call__(self, logits: Float[Tensor, "B V"], position: Int[Tensor, "B"]) -> Float[Tensor, "B V"]:
        """Logits to draw from; `position` counts the tokens already written for the request."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy; `max_new_tokens` counts the response with its end token; `stop` are
    texts that end a response as well, after the token that completes one.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()
    logit_rule: LogitRule | None = None

    def plain(self, temperature: float) -> bool:
        """Whether this is the whole distribution at `temperature`: neither hotter nor cut, nor bent by a rule."""
        whole = self.top_p >= 1.0 and not self.top_k and self.logit_rule is None
        return whole and self.temperature == temperature


@dataclass(frozen=True)
class Request:
    """What an engine is asked: go on after `prefix`, with draws that depend on `seed` alone."""

    prefix: tuple[int, ...]
    sampling: Sampling
    seed: int


@dataclass(frozen=True)
class Rollout:
    """One sampled trajectory: prompt and response tokens, never padded. The ids are the record; text is derived from them.

    `response_mask` is True where the policy wrote the token: False on the prompt, tool results, others' turns. `logprob`
    and `entropy` are the engine's, of the distribution the token was drawn from; 0 outside the mask, and entropy NaN where
    the engine does not know it. `turns` are the texts of the policy's turns with what stands inside them, `stop` the stop
    text met last. `policy_step` is the step whose weights wrote it, `agent` whose they are, `sampling` how its tokens were
    drawn (None: not all alike). `parent` is the sample of the group that a branch left at token `branched_at`. `opened` is
    what the chat template had opened for the policy before its last turn, and only the policy can close: `<think>`.
    """

    tokens: Int[Tensor, "T"]
    response_mask: Bool[Tensor, "T"]
    logprob: Float[Tensor, "T"]
    entropy: Float[Tensor, "T"]
    turns: tuple[str, ...]
    finish: Finish
    stop: str | None = None
    agent: str = "policy"
    policy_step: int = 0
    parent: int | None = None
    branched_at: int | None = None
    sampling: Sampling | None = None
    opened: str = ""

    @property
    def text(self) -> str:
        """The policy's last turn, with what was opened for it: what is verified."""
        return self.opened + self.turns[-1] if self.turns else ""

    @property
    def response_length(self) -> int:
        return int(self.response_mask.sum())

    @property
    def num_stretches(self) -> int:
        """How often the policy wrote without a break: its turns, and the parts of a turn that a tool answered within."""
        mask = self.response_mask
        return int(mask[:1].sum() + (mask[1:] & ~mask[:-1]).sum())

    def plain(self, temperature: float) -> bool:
        """Whether its log-probabilities are of the run's own distribution, not of a hotter or restricted one."""
        return self.sampling is not None and self.sampling.plain(temperature)


@dataclass(frozen=True)
class Group:
    """The rollouts of one prompt; verdicts, terms and rewards are filled in as they are judged and scored."""

    prompt: Prompt
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Verdict, ...] = ()
    reward_terms: Mapping[str, Float[Tensor, "G"]] = field(default_factory=dict)
    reward: Float[Tensor, "G"] | None = None


@dataclass(frozen=True)
class Signals:
    """What one forward pass says of each token: of the sampled token, and of the distribution it came from."""

    logprob: Float[Tensor, "B T"]
    entropy: Float[Tensor, "B T"]
    extra: Mapping[str, Float[Tensor, "B T"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """The rollouts of a step as tensors, padded on the right; fields are filled once, from top to bottom.

    `row` is the rollout's place in the whole batch and `sample` its place in its group, `groups[group]`, whatever was
    filtered, replayed or branched on the way. `turn` counts from 0 the stretches that the policy wrote without
    a break; -1 where it did not write.
    """

    tokens: Int[Tensor, "B T"]
    response_mask: Bool[Tensor, "B T"]
    turn: Int[Tensor, "B T"]
    sampling_logprob: Float[Tensor, "B T"]
    groups: tuple[Group, ...]
    group: Int[Tensor, "B"]
    sample: Int[Tensor, "B"]
    row: Int[Tensor, "B"]
    reward: Float[Tensor, "B"]
    terms: Mapping[str, Float[Tensor, "B"]]
    correct: Bool[Tensor, "B"]
    old: Signals
    current: Signals | None
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

    `weight` is a reduction of its own, made from the batch's annotations, in place of the batch's. Metrics are per-token
    tensors `[B T]`; the step sums them under the response mask and divides by the tokens of the whole step, so a boolean
    tensor becomes a share of tokens. They must be 0 where the advantage is 0, as rollouts without gradient are not
    forwarded.
    """

    loss: Float[Tensor, "B T"]
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    weight: Float[Tensor, "B T"] | None = None


@runtime_checkable
class Environment(Protocol):
    """What answers back between the policy's turns: a tool, a corpus, a game. Its states are values."""

    stop: tuple[str, ...]

    def start(self, prompt: Prompt) -> Any:
        """The state before the first turn."""

    def reply(self, state: Any, text: str) -> tuple[Any, Sequence[Message] | None]:
        """The state after what the policy wrote, and what it is told; None ends the episode.

        Messages of the role `inline` stand inside the policy's turn, which then goes on; others follow it.
        """


@dataclass(frozen=True)
class Plan:
    """What sampling is told, in training, evaluation and search alike: rollouts per prompt, how they are drawn, the seed.

    `round` counts the rounds of one step, as prompts are drawn again to replace filtered groups; `first` numbers the first
    sample, above 0 where a prompt is met again in one call. With a `purpose` in their place, draws do not depend on step
    and round. With an `environment`, a rollout is a conversation with it of at most `max_turns` turns of the policy.
    """

    group_size: int
    sampling: Sampling
    seed: int
    step: int = 0
    round: int = 0
    first: int = 0
    purpose: str | None = None
    environment: Environment | None = None
    max_turns: int = 1

    def draw(self, prompt: str, *parts: int | str) -> int:
        """The seed of one request for a prompt id; `parts` begin with the sample's number."""
        key = (self.step, self.round) if self.purpose is None else (self.purpose,)
        return draw_seed(self.seed, *key, prompt, *parts)


@dataclass(frozen=True)
class Step:
    """Where training is. `rng` is keyed by (seed, step); `plan` is what curricula and samplers are told, None where nothing
    is sampled; `mini_batches` is how many updates the run asks for.
    """

    index: int
    total: int
    rng: torch.Generator
    plan: Plan | None = None
    mini_batches: int = 1


def draw_seed(*parts: int | str) -> int:
    """A 63-bit seed from a tuple such as (run seed, step, prompt id, sample); equal tuples, equal streams."""
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
