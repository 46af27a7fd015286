"""Incremental forward passes over a key-value cache: our own for Llama-like models, the library's for all others.

Rows are padded on the left, so that every row writes the same cache column; `keep` drops finished rows.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from rlpipe.policy.llama import attend, closed, feed_forward, head_size, is_llama_like, query_and_key, rms_norm


@runtime_checkable
class Decoder(Protocol):
    def prefill(self, tokens: Tensor, real: Tensor, copies: Tensor, room: int) -> Tensor: ...

    def extend(self, tokens: Tensor) -> Tensor: ...

    def keep(self, rows: Tensor) -> None: ...


def decoder_of(model: nn.Module) -> Decoder:
    """The fastest decoder that supports the model."""
    return LlamaDecoder(model) if is_llama_like(model) else LibraryDecoder(model)


class LlamaDecoder:
    """Llama, Qwen2 and Qwen3 with a static cache, written in place.

    Keys are `[layers, B, kv heads, head size, T]` and values `[layers, B, kv heads, T, head size]`: the layouts that the two
    small matrix products of attention read fastest. The prompts are run once each and copied to their rollouts. Weights
    are read from the model itself: there is no copy that could be stale.
    """

    def __init__(self, model: Any):
        self.model, self.trunk = model, model.model
        self.kv_heads, self.head_size = model.config.num_key_value_heads, head_size(model)

    def prefill(
        self, tokens: Int[Tensor, "P T"], real: Bool[Tensor, "P T"], copies: Int[Tensor, "B"], room: int
    ) -> Float[Tensor, "B V"]:
        """Run the prompts, keep their cache `copies[i]` for row i with `room` more columns; next-token logits."""
        prompts, length = tokens.shape
        self.keys, self.values = self._room(prompts, length)
        self.length = 0
        self.hidden_columns = ~real
        self.position = (real.cumsum(-1) - 1).clamp(min=0)
        hidden = self._forward(tokens)[:, -1]
        self._move(copies, length + room)
        self.hidden_columns = torch.cat(
            [self.hidden_columns[copies], self.hidden_columns.new_zeros(len(copies), room)], 1
        )
        self.position = self.position[copies, -1:]
        return self._logits(hidden)[copies]

    def extend(self, tokens: Int[Tensor, "B"]) -> Float[Tensor, "B V"]:
        """Append one token to every row; next-token logits."""
        self.position = self.position + 1
        return self._logits(self._forward(tokens[:, None])[:, -1])

    def keep(self, rows: Int[Tensor, "b"]) -> None:
        self._move(rows, self.keys.shape[-1])
        self.hidden_columns, self.position = self.hidden_columns[rows], self.position[rows]

    def _room(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        weight, layers = self.trunk.embed_tokens.weight, len(self.trunk.layers)
        return (
            weight.new_zeros(layers, rows, self.kv_heads, self.head_size, columns),
            weight.new_zeros(layers, rows, self.kv_heads, columns, self.head_size),
        )

    def _move(self, rows: Tensor, columns: int) -> None:
        """Keep the used columns of `rows` in a new cache."""
        keys, values = self._room(len(rows), columns)
        keys[..., : self.length] = self.keys[:, rows, ..., : self.length]
        values[..., : self.length, :] = self.values[:, rows, :, : self.length]
        self.keys, self.values = keys, values

    def _logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.model.lm_head.weight)

    def _forward(self, tokens: Int[Tensor, "B n"]) -> Float[Tensor, "B n H"]:
        start, end = self.length, self.length + tokens.shape[1]
        hidden = self.trunk.embed_tokens(tokens)
        cos, sin = self.trunk.rotary_emb(hidden, self.position)
        mask = self._mask(start, end)
        for i, layer in enumerate(self.trunk.layers):
            attention, keys, values = layer.self_attn, self.keys[i], self.values[i]
            normed = rms_norm(hidden, layer.input_layernorm)
            query, key = query_and_key(attention, normed, cos, sin)
            value = attention.v_proj(normed).unflatten(-1, (-1, self.head_size))
            keys[..., start:end] = key.permute(0, 2, 3, 1)
            values[:, :, start:end] = value.transpose(1, 2)
            mixed = attend(query.transpose(1, 2), keys[..., :end], values[:, :, :end], mask, attention.scaling)
            hidden = hidden + attention.o_proj(mixed)
            hidden = hidden + feed_forward(layer.mlp, rms_norm(hidden, layer.post_attention_layernorm))
        self.length = end
        return rms_norm(hidden, self.trunk.norm)

    def _mask(self, start: int, end: int) -> Tensor:
        """0 where a query may look, very negative elsewhere, `[B, 1, n, end]`."""
        allowed = ~self.hidden_columns[:, None, None, :end]
        if end - start > 1:
            behind = torch.ones(end - start, end, dtype=torch.bool, device=allowed.device).tril(start)
            # A padded query may look at itself, or its softmax would be over nothing.
            own = torch.eye(end - start, end, dtype=torch.bool, device=allowed.device)
            allowed = (allowed & behind) | own
        return closed(allowed, self.keys.dtype)


class LibraryDecoder:
    """Any causal LM, through the library's forward pass and its dynamic cache."""

    def __init__(self, model: Any):
        self.model = model

    def prefill(self, tokens: Tensor, real: Tensor, copies: Tensor, room: int) -> Tensor:
        """As `LlamaDecoder.prefill`."""
        self.real = real
        position = (real.long().cumsum(-1) - 1).clamp(min=0)
        out = self.model(input_ids=tokens, attention_mask=real.long(), position_ids=position, use_cache=True)
        self.cache, self.position = out.past_key_values, position[:, -1:]
        logits = out.logits[:, -1]
        self.keep(copies)
        return logits[copies]

    def extend(self, tokens: Tensor) -> Tensor:
        """As `LlamaDecoder.extend`."""
        self.position = self.position + 1
        self.real = torch.cat([self.real, self.real.new_ones(len(tokens), 1)], 1)
        out = self.model(
            input_ids=tokens[:, None],
            attention_mask=self.real.long(),
            position_ids=self.position,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.cache = out.past_key_values
        return out.logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        self.cache.batch_select_indices(rows)
        self.real, self.position = self.real[rows], self.position[rows]
