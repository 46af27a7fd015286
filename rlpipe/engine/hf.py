"""The built-in engine: batched sampling from a Hugging Face model in this process.

Prompts are run once and shared by their rollouts; finished rows are dropped from the batch as they end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rlpipe import models
from rlpipe.engine.decoders import decoder_of
from rlpipe.engine.draw import draw, uniforms
from rlpipe.types import Finish, Message, Rollout, Sampling

COMPACT_BELOW = 0.75


class HFEngine:
    """Generation with the trainer's own weights; `exact` in float32, as then both agree to rounding.

    `max_rows` bounds how many rollouts are decoded at once, and with it the cache.
    """

    def __init__(self, model: Any, tokenizer: Any, max_rows: int = 512):
        self.tokenizer, self.max_rows = tokenizer, max_rows
        self.load_policy(model)

    def load_policy(self, policy: Any) -> None:
        """Sample from `policy`: a module, whose weights are used in place, or a directory."""
        self.model = models.load_policy(policy)[0] if isinstance(policy, str | Path) else policy
        self.exact = next(self.model.parameters()).dtype == torch.float32

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, with the generation prompt."""
        return models.encode(self.tokenizer, messages)

    @torch.no_grad()
    def complete(
        self, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int], policy_step: int = 0
    ) -> list[Rollout]:
        """One rollout per prefix; row i depends on `prefixes[i]` and `seeds[i]` alone (to rounding).

        Raises: ValueError if a prefix is empty or leaves no room below the model's longest sequence.
        """
        self._check(prefixes, sampling)
        was_training = self.model.training
        self.model.eval()
        # Similar lengths together: less padding, and prompts stay beside their copies.
        order = sorted(range(len(prefixes)), key=lambda i: (len(prefixes[i]), tuple(prefixes[i])))
        rollouts: list[Rollout | None] = [None] * len(prefixes)
        for start in range(0, len(order), self.max_rows):
            part = order[start : start + self.max_rows]
            done = self._decode([prefixes[i] for i in part], sampling, [seeds[i] for i in part])
            for i, (tokens, logprob, entropy) in zip(part, done, strict=True):
                rollouts[i] = self._rollout(prefixes[i], tokens, logprob, entropy, policy_step)
        self.model.train(was_training)
        return [r for r in rollouts if r is not None]

    def _check(self, prefixes: Sequence[Sequence[int]], sampling: Sampling) -> None:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        for i, prefix in enumerate(prefixes):
            if not prefix:
                raise ValueError(f"prompt {i} has no tokens; a policy cannot continue nothing")
            if limit and len(prefix) + sampling.max_new_tokens > limit:
                raise ValueError(
                    f"prompt {i} has {len(prefix)} tokens and {sampling.max_new_tokens} more are asked for, but the model "
                    f"ends at {limit}; shorten max_new_tokens, drop long prompts, or raise model.max_length"
                )

    def _decode(
        self, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Response tokens, log-probabilities and entropies of each row."""
        decoder = decoder_of(self.model)
        tokens, real, copies = _pad_left(prefixes, self.tokenizer.pad_token_id or 0, self.device)
        count, room = len(prefixes), sampling.max_new_tokens
        noise = uniforms(seeds, room).to(self.device)
        written = torch.zeros(count, room, dtype=torch.long, device=self.device)
        logprobs, entropies = torch.zeros(count, room, device=self.device), torch.zeros(count, room, device=self.device)
        length = torch.full((count,), room, device=self.device)
        live = torch.arange(count, device=self.device)
        running = torch.ones(count, dtype=torch.bool, device=self.device)
        logits = decoder.prefill(tokens, real, copies, room)
        for t in range(room):
            token, logprob, entropy = draw(logits, sampling, noise[live, t])
            written[live, t], logprobs[live, t], entropies[live, t] = token, logprob.float(), entropy
            ended = (token == self.tokenizer.eos_token_id) & running
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
        return [(written[i, :n], logprobs[i, :n], entropies[i, :n]) for i, n in enumerate(ends)]

    def _rollout(
        self, prefix: Sequence[int], tokens: Tensor, logprob: Tensor, entropy: Tensor, policy_step: int
    ) -> Rollout:
        ids = tokens.tolist()
        stopped = bool(ids) and ids[-1] == self.tokenizer.eos_token_id
        finish: Finish = "stop" if stopped else "length"
        blank = torch.zeros(len(prefix))
        return Rollout(
            tokens=torch.cat([torch.tensor(list(prefix), dtype=torch.long), tokens]),
            response_mask=torch.arange(len(prefix) + len(ids)) >= len(prefix),
            logprob=torch.cat([blank, logprob]),
            entropy=torch.cat([blank, entropy]),
            text=self.tokenizer.decode(ids[:-1] if stopped else ids),
            finish=finish,
            policy_step=policy_step,
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
