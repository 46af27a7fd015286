"""Incremental forward passes over a cache: our own for Llama-like models, the library's for others, none where that fails.

Rows are padded on the left, so that every row writes the same cache column; `keep` drops finished rows.
"""

from __future__ import annotations

import logging
from inspect import signature
from typing import Any, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from rlpipe.policy.llama import attend, closed, feed_forward, head_size, is_llama_like, query_and_key, rms_norm
from rlpipe.policy.precision import arithmetic

log = logging.getLogger(__name__)


@runtime_checkable
class Decoder(Protocol):
    def prefill(self, tokens: Tensor, real: Tensor, copies: Tensor, room: int) -> Tensor: ...

    def extend(self, tokens: Tensor) -> Tensor: ...

    def keep(self, rows: Tensor) -> None: ...


def decoder_of(model: nn.Module) -> Decoder:
    """The fastest decoder that computes the model; which that is, is tried once for a model."""
    if is_llama_like(model):
        return LlamaDecoder(model)
    if model not in _cached_right:
        _cached_right[model] = _tried(model)
    return LibraryDecoder(model) if _cached_right[model] else WholeDecoder(model)


_cached_right: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


@torch.no_grad()
def _tried(model: Any) -> bool:
    """Whether the library's cache gives what the model gives without: two prompts, padded, copied, one of them dropped."""
    device, size = next(model.parameters()).device, model.get_output_embeddings().weight.shape[0]
    tokens = (torch.arange(1, 13, device=device).view(2, 6) * 7) % size
    real = torch.arange(6, device=device) >= torch.tensor([[0], [2]], device=device)
    copies, more = torch.tensor([0, 1, 1], device=device), torch.tensor([5, 3, 4], device=device) % size
    found = []
    try:
        for decoder in (LibraryDecoder(model), WholeDecoder(model)):
            logits = [decoder.prefill(tokens, real, copies, 3), decoder.extend(more)]
            decoder.keep(torch.tensor([0, 2], device=device))
            logits.append(decoder.extend(more[1:]))
            found.append(torch.cat(logits).float().log_softmax(-1))
        limit = 1e-3 if arithmetic(model) == torch.float32 else 0.5
        right = float((found[0] - found[1]).abs().max()) < limit
    except (AttributeError, RuntimeError, TypeError, ValueError, IndexError, KeyError):
        right = False
    if not right:
        log.warning(
            f"{type(model).__name__}: its cache does not serve a batch, so every token is computed from the whole text "
            "before it: right, but slow for long responses"
        )
    return right


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
        # Its name changed in transformers 5.20.
        self.name = "cache" if "cache" in signature(type(model).forward).parameters else "past_key_values"

    def prefill(self, tokens: Tensor, real: Tensor, copies: Tensor, room: int) -> Tensor:
        """As `LlamaDecoder.prefill`."""
        self.real = real
        position = (real.long().cumsum(-1) - 1).clamp(min=0)
        out = self.model(input_ids=tokens, attention_mask=real.long(), position_ids=position, use_cache=True)
        self.cache, self.position = getattr(out, self.name), position[:, -1:]
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
            use_cache=True,
            **{self.name: self.cache},
        )
        self.cache = getattr(out, self.name)
        return out.logits[:, -1]

    def keep(self, rows: Tensor) -> None:
        # The library's own layers of linear attention know how to reorder, other caches how to select.
        own = "batch_select_indices" in type(self.cache).__dict__
        (self.cache.batch_select_indices if own else self.cache.reorder_cache)(rows)
        self.real, self.position = self.real[rows], self.position[rows]


class WholeDecoder:
    """Any causal LM without a cache: every token from the whole row, padded on the right."""

    def __init__(self, model: Any):
        self.model = model

    def prefill(self, tokens: Tensor, real: Tensor, copies: Tensor, room: int) -> Tensor:
        """As `LlamaDecoder.prefill`."""
        self.rows = [tokens[i][real[i]] for i in copies.tolist()]
        return self._logits()

    def extend(self, tokens: Tensor) -> Tensor:
        """As `LlamaDecoder.extend`."""
        self.rows = [torch.cat([row, token[None]]) for row, token in zip(self.rows, tokens, strict=True)]
        return self._logits()

    def keep(self, rows: Tensor) -> None:
        self.rows = [self.rows[i] for i in rows.tolist()]

    def _logits(self) -> Tensor:
        last = torch.tensor([len(row) - 1 for row in self.rows], device=self.rows[0].device)
        logits: Tensor = self.model(input_ids=pad_sequence(self.rows, batch_first=True), use_cache=False).logits
        return logits[torch.arange(len(last), device=last.device), last]
