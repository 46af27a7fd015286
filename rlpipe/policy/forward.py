"""The forward pass: tokens to Signals, with logits that exist one chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rlpipe.ops.signals import Readout
from rlpipe.policy.head import head_of
from rlpipe.policy.precision import computing
from rlpipe.policy.trunk import trunk_of
from rlpipe.types import Signals

SignalFunction = Callable[[Readout], Tensor]


class Policy(nn.Module):
    """A causal LM as a function of tokens.

    Log-probability, entropy and the recipe's signals are computed together over chunks of response tokens. Where one chunk
    does not hold them all, each is recomputed in the backward pass, so that memory does not grow with the batch.
    `temperature` is the sampling temperature: ratios are between the distributions that were sampled from.
    """

    def __init__(self, model: nn.Module, temperature: float = 1.0, chunk_bytes: int = 64 * 2**20):
        super().__init__()
        # Never dropout: it would train, and measure ratios of, policies that nobody samples from.
        self.model, self.temperature, self.chunk_bytes = model.eval(), temperature, chunk_bytes
        self.trunk, self.head = trunk_of(model), head_of(model)

    def train(self, mode: bool = True) -> Policy:
        """As it is: a policy has no mode in which it is another one."""
        return self

    @property
    def vocabulary(self) -> int:
        """Rows of the output layer."""
        known: Any = self.model
        return int(known.get_output_embeddings().weight.shape[0])

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def forward(
        self,
        tokens: Int[Tensor, "b T"],
        response_mask: Bool[Tensor, "b T"],
        signals: Mapping[str, SignalFunction] | None = None,
    ) -> Signals:
        """Signals of the response tokens, 0 elsewhere. Rows are padded on the right, so no attention mask is needed."""
        signals = signals or {}
        predicted = response_mask[:, 1:]
        columns = predicted.nonzero()[:, 1] + 1
        with computing(self.model):
            hidden = self.trunk(tokens, response_mask)
            values = self._in_chunks(hidden, tokens[:, 1:][predicted], columns, signals)
        filled = [_spread(v, response_mask) for v in values]
        return Signals(filled[0], filled[1], dict(zip(signals, filled[2:], strict=True)))

    def _in_chunks(
        self,
        hidden: Float[Tensor, "n H"],
        tokens: Int[Tensor, "n"],
        columns: Int[Tensor, "n"],
        signals: Mapping[str, SignalFunction],
    ) -> list[Float[Tensor, "n"]]:
        size = max(1, self.chunk_bytes // (4 * self.vocabulary))

        def head(h: Tensor, t: Tensor, c: Tensor) -> tuple[Tensor, ...]:
            logits = self.head(h).float() / self.temperature
            logprobs = logits.log_softmax(-1)
            entropy = -(logprobs.exp() * logprobs).sum(-1)
            logprob = logprobs.gather(-1, t[:, None]).squeeze(-1)
            return logprob, entropy, *(f(Readout(logits, h, t, c)) for f in signals.values())

        if len(tokens) <= size:
            return list(head(hidden, tokens, columns))
        pieces = [
            checkpoint(head, h, t, c, use_reentrant=False) if torch.is_grad_enabled() else head(h, t, c)
            for h, t, c in zip(hidden.split(size), tokens.split(size), columns.split(size), strict=True)
        ]
        return [torch.cat(parts) for parts in zip(*pieces, strict=True)]


def _spread(values: Float[Tensor, "n"], mask: Bool[Tensor, "b T"]) -> Float[Tensor, "b T"]:
    """The values at the mask's positions, in order, and 0 elsewhere."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)
