"""The built-in engine: batched sampling from a Hugging Face model in this process.

Prompts are run once and shared by their rollouts; finished rows are dropped from the batch as they end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rlpipe import models
from rlpipe.engine.batched import Batched
from rlpipe.engine.decoders import decoder_of
from rlpipe.engine.draw import draw, uniforms
from rlpipe.engine.stop import stop_met
from rlpipe.policy.precision import arithmetic, computing
from rlpipe.types import Finish, Message, Request, Rollout, Sampling

COMPACT_BELOW = 0.75


@dataclass(frozen=True)
class Written:
    """What one row of a batch came to."""

    tokens: Tensor
    logprob: Tensor
    entropy: Tensor
    stop: str | None


class HFEngine(Batched):
    """Generation with the trainer's own weights; `exact` in float32, as then both agree to rounding.

    Any logit rule is applied: it is a function of logits. `max_rows` bounds how many rollouts are decoded at once, and
    with it the cache.
    """

    full_entropy, weights = True, True
    logit_rules = frozenset({"*"})

    def __init__(self, model: Any, tokenizer: Any, max_rows: int = 512):
        super().__init__()
        self.tokenizer, self.max_rows = tokenizer, max_rows
        self.load_policy(model)
        self.special_ids = frozenset(tokenizer.all_special_ids) | self.ends

    def load_policy(self, policy: Any, step: int = 0) -> None:
        """Sample from `policy`: a module, whose weights are used in place and without dropout, or a directory."""
        model = models.load_policy(policy)[0] if isinstance(policy, str | Path) else policy
        self.model = model.eval()
        self.exact = arithmetic(self.model) == torch.float32
        self.longest = models.longest(self.model.config)
        self.ends = models.end_tokens(self.model, self.tokenizer)
        self.end_ids = torch.tensor(sorted(self.ends), device=self.device)
        self.step = step

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, with the generation prompt."""
        return models.encode(self.tokenizer, messages)

    def encode_reply(self, messages: Sequence[Message], ended: bool) -> list[int]:
        """Token ids of what follows a turn of the policy, with the generation prompt."""
        return models.encode_reply(self.tokenizer, messages, self.ends if ended else frozenset())

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))

    @torch.no_grad()
    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        """One rollout per request; each depends on its own alone (to rounding).

        Raises: ValueError if a prefix is empty or leaves no room below the model's longest sequence.
        """
        self._check(requests)
        # Similar lengths together: less padding, and prompts stay beside their copies.
        order = sorted(range(len(requests)), key=lambda i: (len(requests[i].prefix), requests[i].prefix))
        rollouts: list[Rollout | None] = [None] * len(requests)
        for start in range(0, len(order), self.max_rows):
            part = order[start : start + self.max_rows]
            with computing(self.model):
                decoded = self._decode([requests[i] for i in part])
            for i, written in zip(part, decoded, strict=True):
                rollouts[i] = self._rollout(requests[i], written)
        return [r for r in rollouts if r is not None]

    def _check(self, requests: Sequence[Request]) -> None:
        limit = self.longest
        for i, request in enumerate(requests):
            size, more = len(request.prefix), request.sampling.max_new_tokens
            if not size:
                raise ValueError(f"prompt {i} has no tokens; a policy cannot continue nothing")
            if limit and size + more > limit:
                raise ValueError(
                    f"prompt {i} has {size} tokens and {more} more are asked for, but the model ends at {limit}; shorten "
                    f"max_new_tokens, drop long prompts, or raise model.max_length"
                )

    def _decode(self, requests: Sequence[Request]) -> list[Written]:
        """Response tokens, log-probabilities and entropies of each row; all rows have the same sampling."""
        decoder, sampling = decoder_of(self.model), requests[0].sampling
        tokens, real, copies = _pad_left([r.prefix for r in requests], self.tokenizer.pad_token_id or 0, self.device)
        count, room = len(requests), sampling.max_new_tokens
        noise = uniforms([r.seed for r in requests], room).to(self.device)
        written = torch.zeros(count, room, dtype=torch.long, device=self.device)
        logprobs, entropies = torch.zeros(count, room, device=self.device), torch.zeros(count, room, device=self.device)
        length = torch.full((count,), room, device=self.device)
        stops: list[str | None] = [None] * count
        live = torch.arange(count, device=self.device)
        running = torch.ones(count, dtype=torch.bool, device=self.device)
        logits = decoder.prefill(tokens, real, copies, room)
        for t in range(room):
            token, logprob, entropy = draw(logits, sampling, noise[live, t], t)
            written[live, t], logprobs[live, t], entropies[live, t] = token, logprob.float(), entropy
            ended = torch.isin(token, self.end_ids) & running
            if sampling.stop:
                ended |= self._stopped(written, live, t, sampling, stops) & running
            length[live[ended]] = t + 1
            running = running & ~ended
            alive = int(running.sum())
            if alive == 0 or t == room - 1:
                break
            if alive < COMPACT_BELOW * len(live):
                rows = running.nonzero().squeeze(-1)
                decoder.keep(rows)
                live, token, running = live[rows], token[rows], running[rows]
            logits = decoder.extend(token)
        ends = length.tolist()
        written, logprobs, entropies = written.cpu(), logprobs.cpu(), entropies.cpu()
        return [Written(written[i, :n], logprobs[i, :n], entropies[i, :n], stops[i]) for i, n in enumerate(ends)]

    def _stopped(self, written: Tensor, live: Tensor, t: int, sampling: Sampling, stops: list[str | None]) -> Tensor:
        """True for live rows whose newest token completes a stop text, which is noted in `stops`."""
        found = []
        for row, ids in zip(live.tolist(), written[live, : t + 1].tolist(), strict=True):
            met = None if stops[row] else stop_met(ids, sampling.stop, self.tokenizer.decode)
            stops[row] = stops[row] or met
            found.append(met is not None)
        return torch.tensor(found, device=live.device)

    def _rollout(self, request: Request, written: Written) -> Rollout:
        ids, size = written.tokens.tolist(), len(request.prefix)
        ended = bool(ids) and ids[-1] in self.ends
        finish: Finish = "stop" if ended or written.stop else "length"
        blank = torch.zeros(size)
        return Rollout(
            tokens=torch.cat([torch.tensor(request.prefix, dtype=torch.long), written.tokens]),
            response_mask=torch.arange(size + len(ids)) >= size,
            logprob=torch.cat([blank, written.logprob]),
            entropy=torch.cat([blank, written.entropy]),
            turns=(self.tokenizer.decode(ids[:-1] if ended else ids),),
            finish=finish,
            stop=None if ended else written.stop,
            policy_step=self.step,
            sampling=request.sampling,
            opened=models.opened(self.tokenizer, request.prefix),
        )


def _pad_left(prefixes: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct prefixes `[P, T]`, which of their tokens are real, and for each row the prefix it copies `[B]`."""
    index: dict[tuple[int, ...], int] = {}
    copies = [index.setdefault(tuple(p), len(index)) for p in prefixes]
    longest = max(map(len, index))
    tokens = torch.full((len(index), longest), pad, dtype=torch.long)
    real = torch.zeros(len(index), longest, dtype=torch.bool)
    for prefix, i in index.items():
        tokens[i, longest - len(prefix) :] = torch.tensor(prefix)
        real[i, longest - len(prefix) :] = True
    return tokens.to(device), real.to(device), torch.tensor(copies, device=device)
