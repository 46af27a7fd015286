"""Toys shared by the tests: fixtures F1 and F2 of the specifications, a batch, a step, a policy of 2,000 parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from rlpipe.engine.batched import Batched
from rlpipe.ops.collate import turns
from rlpipe.ops.signals import Readout
from rlpipe.types import Batch, Group, Plan, Prompt, Request, Rollout, Sampling, Signals, Step, Verdict


def double(rows: Sequence[Any]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# F1: four rollouts of 3, 4, 2 and 4 tokens. F2: one position over five tokens.
F1_MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
F1_OLD = double(
    [[-0.10, -1.20, -0.30, 0], [-0.50, -2.00, -0.05, -0.70], [-0.90, -0.02, 0, 0], [-1.50, -0.40, -3.00, -0.20]]
)
F1_NEW = double(
    [[-0.05, -0.80, -0.35, 0], [-0.60, -2.60, -0.04, -0.75], [-0.70, -0.03, 0, 0], [-1.90, -0.38, -2.40, -0.25]]
)
F1_ENTROPY = double([[0.30, 1.40, 0.60, 0], [0.80, 2.10, 0.10, 1.00], [1.10, 0.05, 0, 0], [1.80, 0.70, 2.40, 0.40]])
F1_SAMPLING = double(
    [[-0.12, -1.10, -0.30, 0], [-0.52, -4.40, -0.05, -0.70], [-0.90, -0.03, 0, 0], [-1.40, -0.45, -3.20, -0.20]]
)
F1_ADVANTAGE = double([1.0, -1.0, 0.5, -0.5])[:, None] * F1_MASK
F2_LOGITS = double([2, 1, 0, -1, -3])

F1_POLICY = Signals(F1_NEW, F1_ENTROPY)


def blank(mask: Tensor, **fields: Any) -> Batch:
    """A float64 batch of the mask's shape: every rollout its own group, everything else 0; then the given fields."""
    zero = torch.zeros(mask.shape, dtype=torch.float64)
    batch = Batch(
        tokens=torch.arange(mask.numel()).reshape(mask.shape),
        response_mask=mask,
        turn=turns(mask),
        sampling_logprob=zero,
        groups=(),
        group=torch.arange(len(mask)),
        sample=torch.zeros(len(mask), dtype=torch.long),
        row=torch.arange(len(mask)),
        reward=zero[:, 0],
        terms={},
        correct=torch.zeros(len(mask), dtype=torch.bool),
        old=Signals(zero, zero),
        current=None,
        reference=None,
        advantage=zero,
        annotations={},
        token_weight=zero + 1,
        reduction_weight=mask / mask.sum().double(),
    )
    return replace(batch, **fields)


def f1(**fields: Any) -> Batch:
    """F1 as a batch of two groups; the policy moves from `old` to `F1_POLICY`; token mean unless said otherwise."""
    known = {
        "sampling_logprob": F1_SAMPLING,
        "group": torch.tensor([0, 0, 1, 1]),
        "reward": double([1, 0, 1, 0]),
        "correct": torch.tensor([True, False, True, False]),
        "old": Signals(F1_OLD, F1_ENTROPY),
        "advantage": F1_ADVANTAGE,
    }
    return blank(F1_MASK, **{**known, **fields})


def leaf(x: Tensor) -> Tensor:
    """A copy to differentiate by."""
    return x.clone().requires_grad_()


def step(index: int = 0, total: int = 100, seed: int = 7) -> Step:
    """A step whose generator and rollout plan have fixed seeds."""
    plan = Plan(4, Sampling(6), seed, index)
    return Step(index, total, torch.Generator().manual_seed(1000 * seed + index), plan, mini_batches=2)


def random_batch(
    seed: int = 0, groups: int = 3, size: int = 4, prompt: int = 3, response: int = 6, vocabulary: int = 12
) -> Batch:
    """Rollouts of unequal length after a prompt shared by their group, some right and some wrong; no advantage yet.

    Float64. Tokens after a response are not padding but noise, so that they must not matter. The groups hold the rollouts
    that the rows are of.
    """
    rng = torch.Generator().manual_seed(seed)
    rows, width = groups * size, prompt + response
    length = torch.randint(1, response + 1, (rows,), generator=rng)
    position = torch.arange(width)
    mask = (position >= prompt) & (position < prompt + length[:, None])
    tokens = torch.randint(1, vocabulary, (rows, width), generator=rng)
    tokens[:, :prompt] = tokens[::size, :prompt].repeat_interleave(size, 0)
    logprob = -torch.rand(rows, width, generator=rng, dtype=torch.float64) * 3 * mask
    noise = 0.3 * torch.randn(rows, width, generator=rng, dtype=torch.float64)
    correct = torch.rand(rows, generator=rng) < 0.5
    correct[:2] = torch.tensor([True, False])
    sampling = logprob + noise * mask
    rollouts = [
        Rollout(tokens[i, :n], mask[i, :n], sampling[i, :n], sampling[i, :n].abs(), (f"{i}",), "stop")
        for i, n in enumerate((prompt + length).tolist())
    ]
    verdicts = [Verdict(float(c), "ok" if c else "wrong") for c in correct.tolist()]
    of = [slice(g * size, (g + 1) * size) for g in range(groups)]
    return blank(
        mask,
        tokens=tokens,
        sampling_logprob=sampling,
        groups=tuple(
            Group(toy_prompt(f"p{g}"), tuple(rollouts[s]), tuple(verdicts[s]), reward=correct[s].double())
            for g, s in enumerate(of)
        ),
        group=torch.arange(groups).repeat_interleave(size),
        sample=torch.arange(size).repeat(groups),
        reward=correct.double(),
        correct=correct,
        old=Signals(logprob, logprob.abs()),
    )


def rollout(length: int, policy_step: int = 0, prompt: int = 2) -> Rollout:
    """A rollout of `length` response tokens after a prompt."""
    mask = torch.arange(prompt + length) >= prompt
    zero = torch.zeros(prompt + length)
    return Rollout(torch.arange(prompt + length), mask, zero, zero, ("",), "stop", policy_step=policy_step)


def group(
    scores: Sequence[float], lengths: Sequence[int] | None = None, name: str = "p", policy_step: int = 0
) -> Group:
    """A scored group; rewards are the scores."""
    rollouts = tuple(rollout(n, policy_step) for n in lengths or [3] * len(scores))
    verdicts = tuple(Verdict(s, "ok" if s >= 1 else "wrong") for s in scores)
    return Group(toy_prompt(name), rollouts, verdicts, reward=torch.tensor([float(s) for s in scores]))


def toy_prompt(name: str) -> Prompt:
    return Prompt(name, ({"role": "user", "content": f"word{len(name)} {name}"},), "1", "toy")


def tiny_policy(words: Sequence[str] = (), seed: int = 0, architecture: str = "llama") -> tuple[Any, Any]:
    """A causal LM of about 2,000 parameters with random weights, and a tokenizer whose tokens are `words`."""
    from rlpipe.models import from_scratch, word_tokenizer
    from rlpipe.params.model_settings import ModelSettings

    tokenizer = word_tokenizer(words or [f"w{i}" for i in range(7)], max_length=64)
    shape = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "num_kv_heads": 1, "intermediate_size": 24}
    settings = ModelSettings(architecture=architecture, max_length=64, init_std=0.4, **shape)
    return from_scratch(settings, tokenizer, seed), tokenizer


def toy_agent(model: Any, tokenizer: Any, settings: Any = None, **fields: Any) -> Any:
    """What the trainer works on, for a model that the built-in engine samples from."""
    from rlpipe.engine.hf import HFEngine
    from rlpipe.policy.forward import Policy
    from rlpipe.train.agent import Agent
    from rlpipe.train.optimizer import make_optimizer
    from rlpipe.train.settings import TrainSettings

    optimizer = make_optimizer(model, settings or TrainSettings())
    return Agent(
        **{
            "policy": Policy(model),
            "engine": HFEngine(model, tokenizer),
            "optimizer": optimizer,
            "sampled": model,
            **fields,
        }
    )


class Bigram:
    """A policy whose next token depends on the last one alone: a table of logits. Quick, exact in float64, learnable.

    Called like the trainer's policy; what it says of tokens outside the mask is not 0, so that it must not matter.
    """

    def __init__(self, vocabulary: int = 12, seed: int = 0, spread: float = 1.5):
        rng = torch.Generator().manual_seed(seed)
        self.table = leaf(spread * torch.randn(vocabulary, vocabulary, generator=rng, dtype=torch.float64))

    def moved(self, seed: int, by: float) -> Bigram:
        """This policy after an update in a random direction."""
        other = Bigram(len(self.table), seed, by)
        other.table = leaf((self.table + other.table).detach())
        return other

    def __call__(self, tokens: Tensor, response_mask: Tensor, signals: Mapping[str, Any] | None = None) -> Signals:
        logits = self.table[tokens[:, :-1]].flatten(0, 1)
        columns = torch.arange(1, tokens.shape[1]).repeat(len(tokens))
        readout = Readout(logits, logits, tokens[:, 1:].flatten(), columns)
        functions = {"logprob": logprob_of, "entropy": entropy_of, **(signals or {})}
        shape = (len(tokens), tokens.shape[1] - 1)
        found = {name: pad(f(readout).view(shape), (1, 0), value=-0.5) for name, f in functions.items()}
        return Signals(found.pop("logprob"), found.pop("entropy"), found)


class Answering(Batched):
    """An engine for tests: a subclass says what requests are answered with; whatever else is asked of it is an error."""

    exact = True

    def encode(self, messages: Any) -> list[int]:
        raise AssertionError("encoded")

    def encode_reply(self, messages: Any, ended: bool) -> list[int]:
        raise AssertionError("replied to")

    def decode(self, ids: Any) -> str:
        raise AssertionError("decoded")

    def load_policy(self, policy: Any, step: int = 0) -> None:
        raise AssertionError("given a policy")


def written(request: Request, ids: Sequence[int], text: str = "", **fields: Any) -> Rollout:
    """The rollout of a request that is answered with `ids`."""
    size = len(request.prefix) + len(ids)
    zero = torch.zeros(size)
    known = {"logprob": zero, "entropy": zero, "turns": (text,), "finish": "stop", "sampling": request.sampling}
    mask = torch.arange(size) >= len(request.prefix)
    return Rollout(torch.tensor([*request.prefix, *ids]), mask, **{**known, **fields})


def readout(logits: Tensor, tokens: Tensor) -> Readout:
    """What a signal is computed from, of one row of logits per token; the logits stand for the hidden states."""
    return Readout(logits, logits, tokens, torch.arange(1, len(tokens) + 1))


def logprob_of(readout: Readout) -> Tensor:
    return readout.logits.log_softmax(-1).gather(-1, readout.tokens[:, None]).squeeze(-1)


def entropy_of(readout: Readout) -> Tensor:
    logprobs = readout.logits.log_softmax(-1)
    return -(logprobs.exp() * logprobs).sum(-1)
